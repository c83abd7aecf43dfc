//! What a client costs its user: bytes received in a day, beside the published scalability model of Whisper.
//!
//! A few relays, linked to each other, and clients attached to some of them. All are whole transports: clients listen to
//! their partition and to topics of their own, and open what comes. Traffic is that of the model: each user is written a
//! hundred messages of ten envelopes a day, half of them on the user's partition, half on a topic that only this user
//! reads (a public chat, as the model counts it). A scenario runs a part of a day, four times: with clients of Whisper, of
//! Waku, and twice with clients of Whisper that are away for nine tenths of it.
//!
//! # The model's rows (MiB that a user receives in a day)
//! | row | the model | measured here |
//! |---|---|---|
//! | case 4 | partitions, nothing else | envelopes on topics that the client listens to, once each |
//! | case 5 | and one of ten of all others, by the bloom filter | all envelopes that came, once each |
//! | case 6 | twice as much, for duplicates | all bytes that came over links |
//! | case 7 | a tenth of case 6, and nine tenths by a mail server that filters with one of a hundred | all bytes that came over links to clients that are there for a tenth of the time: relayed, and fetched from an archive (below) |
//! | case 8 | Waku: as case 4, by topic interest from one peer | all bytes that came over the link to one relay |
//!
//! # Case 7
//! One of the relays has an archive beside it, which is the simulator's own (`archive.rs`): the mail server of the product is
//! not built yet. Each client comes several times in the window, a tenth of it in all, evenly spread; it is new each time but for what it
//! would have on its disk. It asks the archive, page by page, for what was made since it was last up to date, and trusts its direct
//! packets until the last answer is there. After the window everybody comes once more. Messages are written by who is there.
//! As in the model, topics are asked for in several filters, each of which fits less than one of all topics would; what that one would
//! cost is the fourth run (`_unsplit`).
//!
//! # Figures
//! `case*_mib`: as above, of as many users as there are. `_model`: the model's number for as many, `_ratio` to it. `_100`, `_10k`, `_1m`:
//! extrapolated, with `factor_*`: own traffic and duplicates stay, partition mates and false positives grow with users.
//!
//! | figure | what |
//! |---|---|
//! | `users`, `envelopes`, `topics` | how many; topics are those that a client listens to |
//! | `delivery_*` | share of envelopes that were opened by whom they were for, in each mode |
//! | `missed_away`, `recovered_away` | share of envelopes whose reader was away when they were written, and of these the share that it got |
//! | `twice_away`, `repeated_away` | messages delivered twice; share that was opened a second time, in a later life, and not delivered again |
//! | `visits_away`, `queries_away` | how often a client comes in a day, besides once at the end, and in how many filters it asks |
//! | `relayed_mib_away`, `fetched_mib_away` | case 7 in its parts |
//! | `false_positives_away` | share of the envelopes of the time away that the archive gave a client that does not listen to them |
//! | `*_unsplit` | the same, asked with one filter for all topics |
//! | `archive_kib` | what the archive has in the end, in envelopes |
//! | `envelope_bytes` | mean bytes of an envelope; the model says 1,024 |
//! | `false_positives` | share of other users' envelopes that came although the client does not listen to them |
//! | `copies_*` | receptions per envelope at a client |
//! | `overhead_*` | bytes on links per byte of envelopes that came |
//! | `sent_mib_*` | MiB that a user sends in a day |
//! | `relay_mib_*` | MiB that a relay receives in a day |
//! | `pool_kib_*` | the fullest pool of a client |
//! | `factor_day`, `factor_*` | by what a day, and users, are extrapolated |

mod model;
mod plan;
mod presence;
mod run;
mod tally;
mod tell;

pub use self::plan::{AwayPlan, UsagePlan};
pub use self::run::run;
