//! What a client costs its user: bytes received in a day, beside the published scalability model of Whisper.
//!
//! A few relays, linked to each other, and clients attached to some of them. All are whole transports: clients listen to
//! their partition and to topics of their own, and open what comes. Traffic is that of the model: each user is written a
//! hundred messages of ten envelopes a day, half of them on the user's partition, half on a topic that only this user
//! reads (a public chat, as the model counts it). A scenario runs a part of a day.
//!
//! # The model's rows (MiB that a user receives in a day)
//! | row | the model | measured here |
//! |---|---|---|
//! | case 4 | partitions, nothing else | envelopes on topics that the client listens to, once each |
//! | case 5 | and one of ten of all others, by the bloom filter | all envelopes that came, once each |
//! | case 6 | twice as much, for duplicates | all bytes that came over links |
//! | case 7 | a tenth of case 6, and nine tenths by a mail server that filters with one of a hundred | **not measured**: there is no mail server yet. The model's own formula over the measured rows 4 and 6 |
//! | case 8 | Waku: as case 4, by topic interest from one peer | all bytes that came over the link to one relay |
//!
//! # Figures
//! `case*_mib`: as above, of as many users as there are. `_model`: the model's number for as many, `_ratio` to it. `_100`, `_10k`, `_1m`:
//! extrapolated, with `factor_*`: own traffic and duplicates stay, partition mates and false positives grow with users.
//!
//! | figure | what |
//! |---|---|
//! | `users`, `envelopes`, `topics` | how many; topics are those that a client listens to |
//! | `delivery_*` | share of envelopes that were opened by whom they were for, in Whisper and Waku mode |
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
mod run;

pub use self::plan::UsagePlan;
pub use self::run::run;
