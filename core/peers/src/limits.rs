//! Every number of this crate, with its unit and origin.

use std::time::Duration;

/// Peers by default (geth: `MaxPeers`).
pub const MAX_PEERS: usize = 50;

/// One of so many peers is dialled by our own choice, the others come to us (geth: `defaultDialRatio`).
pub const DIAL_RATIO: usize = 3;

/// Attempts to dial under way at once (geth: `maxActiveDialTasks`).
pub const MAX_DIALS: usize = 16;

/// Of [`MAX_DIALS`], those that unreachable static peers cannot take from the others. Our choice.
pub const RESERVED_DIALS: usize = 4;

/// Inbound connections that have not finished their handshake (geth: `defaultMaxPendingPeers`).
pub const MAX_PENDING: usize = 50;

/// The same of one IPv4 address or IPv6 /64. Our choice: half, so that one host cannot keep all others out.
pub const MAX_PENDING_PER_HOST: usize = 25;

/// One connection is accepted from a host in this time, except from loopback and the local network (geth:
/// `inboundThrottleTime`).
pub const THROTTLE: Duration = Duration::from_secs(30);

/// Hosts that the throttle remembers; above it the oldest is forgotten. Our choice: 30 s of 136 new hosts a second.
pub const MAX_THROTTLED: usize = 4_096;

/// Places for inbound peers that one /24 (IPv4) or /56 (IPv6) can take. Our choice.
pub const INBOUND_PER_NARROW: usize = 3;

/// Peers that we choose to dial in one /24 or /56. Our choice: a second one there would tell us nothing new.
pub const DYNAMIC_PER_NARROW: usize = 1;

/// One of so many places of either kind can be taken by one /16 (IPv4) or /32 (IPv6), but at least as many as by a
/// narrow network. Our choice: a quarter.
pub const WIDE_SHARE: usize = 4;

/// The first pause before a peer is dialled again, on loopback and in the local network. Our choice.
pub const BACKOFF_FIRST: Duration = Duration::from_secs(1);

/// The longest pause to a peer on loopback. Our choice: a local peer that was restarted is found again soon, and
/// asking it costs nothing.
pub const BACKOFF_LOOPBACK: Duration = Duration::from_secs(5);

/// The longest pause in the local network and the shortest elsewhere: geth throttles a source for 30 s and itself
/// waits 5 s more (geth: `dialHistoryExpiration`).
pub const BACKOFF_REMOTE: Duration = Duration::from_secs(35);

/// A random part of at most this is added to [`BACKOFF_REMOTE`], so that two nodes that dial each other do not go on
/// doing so at the same moment. Our choice.
pub const BACKOFF_JITTER: Duration = Duration::from_secs(5);

/// A link that lived this long makes the next pause a first one again. Our choice, after the throttle.
pub const SETTLED: Duration = Duration::from_secs(30);

/// Points at which a peer is banned, in thousandths. Our choice.
pub const BAN_POINTS: u64 = 100_000;

/// Points are never more than this, in thousandths. Our choice: far from where adding overflows.
pub const MAX_POINTS: u64 = 1 << 40;

/// Points for a new envelope first delivered, in thousandths. Our choice.
pub const ENVELOPE_POINTS: u64 = 1_000;

/// Points for an answered ping, in thousandths. Our choice: about one in 15 s, so that in the end it tells the living from
/// the dead and never outweighs a peer that delivers.
pub const PONG_POINTS: u64 = 50;

/// Usefulness halves in this time. Our choice.
pub const USEFULNESS_HALF_LIFE: Duration = Duration::from_secs(10 * 60);

/// Faults halve in this time. Our choice.
pub const FAULTS_HALF_LIFE: Duration = Duration::from_secs(30 * 60);

/// Points for a mild fault, in thousandths. Honest peers have them, so alone they end at [`MILD_CEILING`].
pub const MILD_POINTS: u64 = 2_000;

/// Mild faults add nothing above this. Our choice: half of a ban.
pub const MILD_CEILING: u64 = 50_000;

/// Points for a serious fault, in thousandths. Our choice: the third in half an hour is a ban.
pub const SERIOUS_POINTS: u64 = 40_000;

/// Points for a fatal fault, in thousandths: a ban at once.
pub const FATAL_POINTS: u64 = BAN_POINTS;

/// How long a ban for faults lasts. Our choice.
pub const BAN_TIME: Duration = Duration::from_secs(60 * 60);

/// Bans for faults that are held, of keys and of addresses each; what ends first goes first. Our choice.
pub const MAX_BANS: usize = 1_024;

/// Keys, and addresses, whose faults are remembered; whoever has the fewest goes first. Our choice.
pub const MAX_SCORES: usize = 1_024;

/// Candidates of one source. Our choice: an hour of dialling.
pub const CANDIDATES_PER_SOURCE: usize = 128;

/// Candidates that are remembered from an earlier run.
pub const CANDIDATES_REMEMBERED: usize = MAX_REMEMBERED;

/// Candidates of one public IPv4 address or IPv6 /64. Our choice: keys cost nothing, addresses do.
pub const CANDIDATES_PER_HOST: usize = 1;

/// Candidates of one /24 or /56, of all sources together (geth has two per bucket of its table). Our choice.
pub const CANDIDATES_PER_NARROW: usize = 2;

/// Candidates of one /16 or /32, of all sources together. Our choice: a quarter of the share of one source.
pub const CANDIDATES_PER_WIDE: usize = CANDIDATES_PER_SOURCE / 4;

/// A candidate that was not named for so long may be replaced (status-go: candidate lifetime of its peer pool).
pub const CANDIDATE_LIFE: Duration = Duration::from_secs(60 * 60);

/// A candidate that could not be dialled this often in a row is dropped. Our choice.
pub const CANDIDATE_FAILURES: u32 = 3;

/// Keys, and remote hosts, that were dialled lately. While it is full no candidate is dialled. Our choice: 29 a second.
pub const MAX_RECENT: usize = 1_024;

/// How often a key failed is remembered for this time after its pause. Our choice.
pub const BACKOFF_REMEMBERED: Duration = Duration::from_secs(60);

/// Peers that are remembered for the next start. Our choice.
pub const MAX_REMEMBERED: usize = 256;

/// Largest file of remembered peers that is read, in bytes: an entry has at most 112.
pub const MAX_REMEMBERED_BYTES: usize = 64 * 1_024;

/// Remembered peers of one /24 or /56. Our choice.
pub const REMEMBERED_PER_NARROW: usize = 2;

/// Remembered peers of one /16 or /32. Our choice: an eighth of all.
pub const REMEMBERED_PER_WIDE: usize = MAX_REMEMBERED / 8;

/// A remembered peer that could not be dialled this often in a row, while others were connected, is forgotten. Our choice.
pub const REMEMBERED_FAILURES: u32 = 5;

/// The list of remembered peers is given out at most this often while peers are connected. Our choice.
pub const REMEMBER_EVERY: Duration = Duration::from_secs(5 * 60);

/// Boot nodes are dialled after this time without any peer (geth: `fallbackInterval`).
pub const LONELY: Duration = Duration::from_secs(20);

/// Boot nodes that are dialled at once when nobody else is known. Our choice.
pub const BOOT_AT_ONCE: usize = 3;

/// First pause between two look-ups of a static node that is unreachable (geth: `initialResolveDelay`).
pub const RESOLVE_FIRST: Duration = Duration::from_secs(60);

/// Longest pause between two look-ups of a static node, reached by doubling (geth: `maxResolveDelay`).
pub const RESOLVE_LONGEST: Duration = Duration::from_secs(60 * 60);

/// When every place is taken, one peer is let go for another this often. Our choice.
pub const ROTATE_EVERY: Duration = Duration::from_secs(5 * 60);

/// A random part of at most this is added to [`ROTATE_EVERY`]. Our choice.
pub const ROTATE_JITTER: Duration = Duration::from_secs(60);

/// A link younger than this is never let go for another. Our choice: time to show what it is worth.
pub const YOUNG: Duration = Duration::from_secs(5 * 60);

/// A peer that brought nothing new for so long, while others did, may be let go for another at once. Our choice.
pub const IDLE: Duration = Duration::from_secs(2 * 60);

/// Of the peers that we chose to dial one that is idle is let go for another this often. Our choice: so a node that first
/// met only liars is rid of them in minutes, and one that met slow friends keeps most of them.
pub const IDLE_EVERY: Duration = Duration::from_secs(60);

/// An idle inbound peer makes way for a newcomer this often. Our choice: liars who dial all the time cannot keep every
/// place, and a flood of newcomers cannot turn a node's company over faster than this.
pub const MAKE_WAY_EVERY: Duration = Duration::from_secs(10);

/// One of so many is protected from rotation by its usefulness. Our choice: half.
pub const PROTECTED_USEFUL: usize = 2;

/// One of so many dialled peers is protected from rotation because it is among the oldest. Our choice: a quarter.
pub const PROTECTED_OLD: usize = 4;

/// Whoever was let go for another, or shares no capability, is not dialled for this time. Our choice.
pub const SHUNNED_PAUSE: Duration = Duration::from_secs(30 * 60);

/// Links without a Hello: as many as there can be handshakes. Above it none is admitted.
pub const MAX_UNPROVED: usize = MAX_PENDING + MAX_DIALS;

/// A sample of a clock counts for this time. Our choice.
pub const SKEW_LIFE: Duration = Duration::from_secs(30 * 60);

/// Networks of peers, and peers near by, whose clocks are compared; above it the oldest sample goes. Our choice.
pub const MAX_SKEW_PEERS: usize = 64;

/// Networks of discovery whose clocks are compared; above it the oldest sample goes. Our choice: fewer than peers,
/// whose places are harder to take.
pub const MAX_SKEW_NETWORKS: usize = 16;

/// How far two figures of one clock may differ: whole seconds, and the way here. Our choice.
pub const SKEW_NOISE: Duration = Duration::from_secs(5);

/// Sources below which nothing is said about the clock while there are as many links. Our choice: one liar cannot move the
/// median of three beyond the honest ones.
pub const MIN_SKEW_SOURCES: usize = 3;
