//! Every number that bounds what a peer or a clock can do to us.

use std::time::Duration;

/// How far ahead of our clock an envelope may have been made, in seconds; exactly this passes
/// (`geth: const DefaultSyncAllowance`).
pub const FUTURE_SECS: u32 = 10;

/// How long ago an envelope may have expired before it counts as very old, in seconds (`geth: 2 × sync allowance`).
pub const VERY_OLD_SECS: u32 = 20;

/// What expires within this many seconds is not forwarded: the next node's clock may be ahead and geth would
/// hold a very old envelope against us (`whisper.md` 9, our choice).
///
/// DEVIATION: the originals forward an envelope until its last second (test `a_new_peer_gets_what_lives`).
pub const LAST_SECS: u32 = 2;

/// Longest accepted time to live in seconds. Our choice: the deployed clients use 10 to 50; a day leaves room
/// for tools and keeps envelopes of 136 years out.
pub const MAX_TTL: u32 = 86_400;

/// How many seconds of life more our own envelopes have work for: geth divides by one more than what its clock is behind
/// the sealer's, and takes what is up to [`FUTURE_SECS`] ahead.
pub const SEAL_SKEW_SECS: u32 = FUTURE_SECS + 1;

/// How old an envelope of others is sent whose work is just enough for a peer, in seconds. Our choice: a peer whose clock is
/// a second behind adds one second or two to the life of what was just made. One that is further behind may still find
/// it too cheap; to wait longer for that would cost everybody.
///
/// DEVIATION: the originals forward what is just dear enough at once, and geth drops them for what it finds too cheap by its
/// own clock (test
/// `what_a_slow_clock_could_find_too_cheap_waits_for_it`).
pub const CLOSE_SECS: u32 = 2;

/// Envelopes that wait for the clock of one peer, at most [`CLOSE_SECS`]; for one above it that peer is looked at again by
/// then. Our choice.
pub const MAX_DEFERRED: usize = 1_024;

/// Largest body of a packet in bytes, and largest `20 + len(data)` (`geth: const DefaultMaxMessageSize`).
pub const MAX_MESSAGE: usize = 1_048_576;

/// Largest body of a packet of several envelopes that we send, in bytes (`whisper.md` 5.4, suggestion).
///
/// DEVIATION: the originals put all that they have into one packet, which above [`MAX_MESSAGE`] no one of them takes (test
/// `bundles_stay_below_the_limit_and_a_larger_envelope_goes_alone`).
pub const MAX_BUNDLE: usize = 512 * 1024;

/// Largest data field that any node takes in a packet of its own, in bytes (`whisper.md` 1).
pub const MAX_DATA: usize = 1_048_540;

/// Most envelopes in the pool. Our choice: an hour of 30 envelopes per second, well above what B12 measures.
pub const POOL_ENVELOPES: usize = 131_072;

/// Most bytes of envelopes in the pool. Our choice.
pub const POOL_BYTES: usize = 128 * 1024 * 1024;

/// Bytes of the smallest envelope that is taken: items of 1 + 1 + 5 + 1 + 1 bytes, but its expiry is of this century
/// (`whisper.md` 1).
pub const LEAST_ENVELOPE: usize = 14;

/// Bytes that are kept about an envelope besides its own, while it is in the pool and after it had to go (measured: 190
/// to 260; `tests/it/attacks.rs` holds it).
pub const PER_ENVELOPE: usize = 320;

/// Bytes that are kept about a link, besides a bit per envelope: 10,000 topics, what waits for its clock, what it has not
/// confirmed (counted from their limits; our choice).
pub const PER_LINK: usize = 256 * 1024;

/// At an overflow so many sixteenths of the limits stay and the rest is condemned, so that the pass over all envelopes is
/// paid once for many. Our choice.
pub const POOL_LOW_WATER_16THS: usize = 15;

/// Envelopes that leave the pool, or have waited for our clock and arrive, in one step of the machine; the rest in the
/// steps after it, which follow at once. Our choice: about half a millisecond, which is how long a packet may wait for it.
pub const PORTION: usize = 512;

/// Bytes of the envelopes that leave in one step. Our choice: memory of large ones costs more to give back.
pub const PORTION_BYTES: usize = 8 * 1024 * 1024;

/// How long an earlier minimum PoW or bloom filter is still accepted after a change
/// (`geth: 10 s`, the time for the news to arrive).
pub const TOLERANCE: Duration = Duration::from_secs(10);

/// How long a peer may be silent about its Status. Our choice, devp2p's read timeout; nim and parity: 5 s.
pub const STATUS_TIMEOUT: Duration = Duration::from_secs(30);

/// Changes of our bloom filter in this time leave as one packet; the first leaves at once. Our choice: a client that
/// opens fifty chats at its start tells its peers twice, not fifty times, and each packet costs them a pass over the pool.
pub const ANNOUNCE_EVERY: Duration = Duration::from_millis(100);

/// At most one look over the whole pool per peer in this time, however often it changes its wishes.
/// Our choice: each such packet of ten bytes costs a pass over the pool.
pub const RESCAN_EVERY: Duration = Duration::from_secs(1);

/// Envelopes of low PoW or outside our bloom that a peer may send at once before it is dropped. Our choice:
/// an honest peer sends some while news of a change travels, or when its divisor differs (nim).
///
/// DEVIATION: geth drops a peer for the first envelope of low work or outside its filter, and for one of the future or very
/// old; status-go drops for none, so that refusing costs it and sending is free. Here times never count, and work and
/// topics only in numbers (tests `skew_never_costs_a_link_but_a_flood_of_cheap_ones_does`,
/// `more_cheap_envelopes_than_an_honest_peer_has`).
pub const MAX_FAULTS: u32 = 64;

/// One such fault is forgiven in this time. Our choice.
pub const FORGIVE_EVERY: Duration = Duration::from_secs(1);

/// Confirmations that wait until what they are about is stored; above it the oldest is not given. Our choice.
pub const MAX_ACKS: usize = 1_024;

/// Refused envelopes that a response lists; above it none is sent, and the peer's wait ends with their life. Our choice.
pub const MAX_LISTED: usize = 256;

/// Packets with envelopes of ours that one peer has not confirmed; above it the oldest is given up. Our choice.
pub const MAX_UNCONFIRMED: usize = 64;

/// Answers that wait until a peer takes another packet by the limits that it announced; above it the oldest is not given.
/// Our choice: as many as we wait for.
pub const MAX_HELD_ANSWERS: usize = MAX_UNCONFIRMED;

/// Bytes of these answers. Our choice: a quarter of [`PER_LINK`].
pub const MAX_HELD_BYTES: usize = PER_LINK / 4;

/// Envelopes of a packet that are hashed at once. Our choice: eight rounds of the widest lanes, in 15 KiB.
pub const HASHED_TOGETHER: usize = 64;

/// Envelopes that are remembered for what their second arrival says of other clocks. Our choice.
pub const MAX_FIRST_SEEN: usize = 256;

/// Samples of other clocks that wait to be asked for; more are dropped. Our choice.
pub const MAX_CLOCK_SAMPLES: usize = 64;

/// How soon an envelope must come from a second peer to be a sample. Our choice.
pub const SAMPLE_WITHIN: Duration = Duration::from_secs(2);

/// At most one sample of a peer in this time. Our choice: many peers count, not many envelopes.
pub const SAMPLE_EVERY: Duration = Duration::from_secs(10);

/// How old a link is before its packets are read for what they say of its clock: what comes first is the pool of whoever
/// gives it. Our choice: with [`SAMPLE_EVERY`] a node's look at a link that is no longer young.
pub const READ_AFTER: Duration = Duration::from_secs(4);

/// At most one packet of a link is read in this time. Our choice: what had piled up comes at once and counts once.
pub const READ_EVERY: Duration = Duration::from_secs(1);

/// Packets that are to have been read, over [`SAMPLE_EVERY`] at least, before they say anything. Our choice: the median of
/// fewer would be any one's.
pub const MIN_READINGS: usize = 3;

/// Packets that count; above it the oldest does not. Our choice: some more than are read in [`SAMPLE_EVERY`].
pub const MAX_READINGS: usize = 16;

/// For how long a packet counts. Our choice: a quiet link has one in a minute.
pub const READING_LIFE: Duration = Duration::from_secs(300);

/// From here on a link's clock is read though nothing is refused, until it is right again. Our choice: half of what is
/// refused.
pub const READ_ON: Duration = Duration::from_secs(5);

/// Jobs that are out at once. Our choice: more than any pool has workers.
pub const MAX_JOBS: usize = 32;

/// Envelopes that wait for a trial decryption; above it the oldest is dropped and counted. Our choice.
pub const MAX_INBOX: usize = 4_096;

/// Bytes of these envelopes. Our choice: half of the pool; without it the largest envelopes, which the pool has long
/// given up, would add up to 4 GiB.
pub const MAX_INBOX_BYTES: usize = POOL_BYTES / 2;

/// Sends that wait for a peer, a key or a proof of work; above it a send fails as overloaded. Our choice.
pub const MAX_OUTBOX: usize = 1_024;

/// Bytes of payload of these sends. Our choice.
pub const MAX_OUTBOX_BYTES: usize = 64 * 1024 * 1024;

/// Sends that are being sealed at once. Our choice: leaves room for opening among [`MAX_JOBS`].
pub const MAX_SEALING: usize = 16;

/// How often a send is sealed again because its envelope was too old when it was done. Our choice.
pub const MAX_SEAL_TRIES: u32 = 3;

/// Data hashes of received messages that are remembered; above it the oldest is forgotten. Our choice.
pub const MAX_SEEN: usize = 65_536;

/// How long they are remembered at least, if there are not too many: header fields are not authenticated, so
/// the same data can come again in a fresh envelope (`whisper.md` 9, replay and mutation). Our choice.
pub const SEEN_FOR: Duration = Duration::from_secs(600);

/// Keys of routes that are kept without need; above it those that nobody listens on and no send waits for are forgotten.
/// Those that are needed all stay, because only our own user asks for them. Our choice.
pub const MAX_ROUTE_KEYS: usize = 8_192;

/// Longest wait of a blended send (`geth: const transmissionCycle`, its 300 ms tick).
pub const MAX_BLEND: Duration = Duration::from_millis(300);

/// Largest payload of a send in bytes. Our choice: sealed and enveloped it stays 3 KiB below [`MAX_DATA`].
pub const MAX_PAYLOAD: usize = MAX_MESSAGE - 4_096;

/// More leading zero bits are never searched for: about an hour of one core. Our choice.
pub const MAX_POW_BITS: u32 = 34;

/// Attempts per wanted one before a search gives up: it fails with probability e⁻⁶⁴. Our choice.
pub const POW_PATIENCE: u64 = 64;

/// Topics that a Waku node may announce (`status-go: const MaxTopicInterest`).
pub const MAX_TOPIC_INTEREST: usize = 10_000;

/// Peers whose rate is remembered; above it the one that was silent longest is forgotten. Our choice: far more than a
/// node has links.
pub const MAX_RATED_PEERS: usize = 4_096;

/// Addresses whose rate is remembered, also after their links ended. Our choice.
pub const MAX_RATED_ADDRESSES: usize = 4_096;

/// Topics whose rate is counted for each peer; above it the bucket that was used longest ago, with what is used of it, is
/// that of another topic. Our choice: some more than a client listens to.
pub const MAX_RATED_TOPICS: usize = 256;

/// A link may end above this many times its limit, and never below. Our choice: honest bursts are far below.
pub const FLOOD_FACTOR: u64 = 10;

/// Filters that are installed at once. Our choice: the ten thousand that a busy server may have, and some.
pub const MAX_FILTERS: usize = 16_384;

/// Topics of one filter. Our choice: as many as a Waku node may announce.
pub const MAX_FILTER_TOPICS: usize = MAX_TOPIC_INTEREST;

/// Topics of all filters together. Our choice: 16 for each.
pub const MAX_INDEXED_TOPICS: usize = 262_144;

/// Keys that one job tries on an envelope: about 2 ms of key agreements, so that no envelope holds a worker for long.
/// Our choice.
pub const MAX_TRIALS: usize = 32;

/// Messages that one filter keeps until they are taken; above it the oldest is dropped and counted. Our choice.
pub const MAX_FILTER_MESSAGES: usize = 4_096;

/// Bytes of these messages. Our choice: some of the largest.
pub const MAX_FILTER_BYTES: usize = 16 * 1024 * 1024;

/// Bytes of the messages in all filters, each counted once. Our choice: as many as the pool.
pub const MAX_KEPT_BYTES: usize = POOL_BYTES;

/// Places that these messages take in filters: one message may be in many. Our choice: about 32 MiB.
pub const MAX_KEPT_PLACES: usize = 262_144;
