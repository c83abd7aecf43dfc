//! Every bound and interval of this crate, with unit and origin.

use std::time::Duration;

/// One-to-one chats that strangers opened and we never wrote in. Our choice: above it the oldest that nobody has looked
/// at gives way. When all were looked at, a first message of one more stranger is neither stored nor acknowledged, so its
/// sender repeats it and it arrives when there is room.
pub const MAX_STRANGER_CHATS: u32 = 1_000;

/// Messages of a chat that a stranger opened and nobody has accepted. Our choice: enough to see who it is. Above it they
/// are neither stored nor acknowledged; their sender repeats them, and they arrive when the chat is ours.
pub const MAX_REQUEST_MESSAGES: usize = 100;

/// Keys of messages that have not come, kept of a stranger in such a chat. Our choice: a fifth of what one message may
/// skip, so that all of [`MAX_STRANGER_CHATS`] together are 200,000 rows. Above it the oldest of a message are not kept.
pub const MAX_SKIPPED_OF_STRANGER: usize = 200;

/// People whose devices are kept although we have no chat with them and have said nothing of them: they spoke in a public
/// chat. Our choice, the number of peers of budget B7. Above it [`ACQUAINTANCES_LEAVE`] leave; a first message to one of
/// those goes without forward secrecy, unless its contact code comes first.
pub const MAX_PEOPLE: u32 = 10_000;

/// How many of [`MAX_PEOPLE`] leave at once, those first who were heard longest ago. Our choice: all are read for it, so
/// it is done once in so many.
pub const ACQUAINTANCES_LEAVE: usize = 500;

/// How exactly it is known when somebody was heard of whom nothing else is known. Our choice.
pub const HEARD_WITHIN: Duration = Duration::from_secs(3_600);

/// Bytes of a nickname. Our choice: twice what clients show.
pub const MAX_NICKNAME: usize = 64;

/// Bytes of a name of ENS. The network's bound for a name in DNS form.
pub const MAX_NAME: usize = 255;

/// Acknowledgements that wait in the outbox. Our choice: above it messages are stored but not acknowledged;
/// their senders repeat them. A peer can make us compute one proof of work for each message, so this bounds
/// the work that waits.
pub const MAX_QUEUED_ACKS: u32 = 1_024;

/// Bytes of one payload of acknowledgements: 100 of them. Our choice: small enough for the cheap proof of work.
pub const ACK_PAYLOAD: usize = 3_600;

/// Messages sent again in one step. Our choice: a step stays short; the rest follows in the next one, at once.
pub const RESENDS_PER_STEP: usize = 32;

/// Messages in a row that none of a person's devices has answered, from which on repetitions for it wait. Our choice:
/// half of what a device passes over (1,000), so that whatever is new still reaches one that comes back.
pub const MAX_UNANSWERED: u32 = 500;

/// How long a repetition waits for a person who has answered none of the last [`MAX_UNANSWERED`], after the last one: the
/// longest gap of the schedule. Our choice.
pub const UNANSWERED_GAP: Duration = Duration::from_secs(600);

/// Sendings after which a message that is not acknowledged is sent again as soon as the person is heard. Our choice: by
/// then the gaps of the schedule are long.
pub const SENT_IN_VAIN: u32 = 4;

/// Times that a public message is handed to the transport, and that the proof of work of any message may
/// fail, before it is given up. status-go clients: `MaxMessageDeliveryAttempts` 6.
pub const MAX_ATTEMPTS: u32 = 6;

/// Waits between those attempts; the last one repeats. The schedule of one-to-one messages.
pub const RETRY_AFTER: [Duration; 4] =
    [Duration::from_secs(5), Duration::from_secs(15), Duration::from_secs(60), Duration::from_secs(600)];

/// How often the contact code is published while running; it is also published at each start.
/// `messenger.md` 6: 21600 s.
pub const CONTACT_CODE_EVERY: Duration = Duration::from_secs(6 * 3600);

/// How long ago the contact code must have been published for a first contact to publish it again. Our choice: whoever
/// opens many chats at once says it once.
pub const CONTACT_CODE_GAP: Duration = Duration::from_secs(600);

/// How often a person is told of our devices because its messages are for others. `security.md` 5.3: 7,200 s.
pub const ANSWER_EVERY: Duration = Duration::from_secs(7_200);

/// How often more within that time, because a device is new. Our choice: more than a person sets up in two hours.
pub const MAX_ANSWERS: u32 = 4;

/// How often a person is told that somebody's bundles are left out. Our choice.
pub const LEFT_OUT_TOLD_EVERY: Duration = Duration::from_secs(24 * 3600);

/// When the contact code is published again after a failure. Our choice.
pub const CONTACT_CODE_RETRY: Duration = Duration::from_secs(300);

/// How far the clock of a chat may lead our own and still be followed. `payloads.md` 3.8: receivers take 120 s more
/// than the time of the envelope, which is in whole seconds.
pub const MAX_CLOCK_LEAD: Duration = Duration::from_secs(119);

/// Messages of one clock in a public chat that a new one is compared with. Our choice: honest ones share a clock
/// by chance. Above it a message of that clock is taken for one that is known.
pub const MAX_SAME_CLOCK: usize = 64;

/// Messages to a person that are looked at when it is back. Our choice: more than anybody writes to one who is away.
pub const MAX_LOOKED_AT: usize = 1_000;

/// Longest time to the next wake-up. Our choice: after the wall clock went back, nothing sleeps longer.
pub const MAX_SLEEP: Duration = Duration::from_secs(600);

/// Messages of one page of a query. Our choice.
pub const MAX_PAGE: usize = 1_000;

/// Rows that a backup reads in one scan; it goes on until there are no more. Our choice.
pub const BACKUP_PAGE: usize = 10_000;

/// Chats that a query lists, and outbox rows that a start looks at, in one scan. Our choice: more than a
/// person has; a scan without a number would be a scan without a bound.
pub const MAX_ROWS: usize = 1_000_000;
