//! Who said it: observers among the relays put together who handed them an envelope first.
//!
//! Every node is a whole transport. Relays take everything and speak too; each dials a few others at random. Clients are
//! attached to a few relays each. Envelopes are sent by nodes drawn for it, while those of others travel.
//!
//! # The observers
//! Relays that behave as everybody does and tell each other what came from whom, and when. They are drawn after the run:
//! what they do differs from what honest relays do in nothing, so that one run serves many sets of observers.
//! - *First spy*: the author is the node, no observer itself, that handed the envelope to an observer before all others.
//! - *Posterior*: each observer notes who handed it the envelope first. These nodes in the order of their first handing
//!   make a list. How often the author stands at which place of it, or not in it at all, is counted in all **other**
//!   worlds, apart for lists that a client leads and for those that a relay leads; the observers know the topology no
//!   better than that. The shares are the posterior: a place's share goes to the node that stands there, the rest evenly
//!   to all nodes that do not. Its Shannon entropy is what is left to guess, in bits; the *surprise* (minus the logarithm
//!   of what the posterior gave the true author) is as large on average where the posterior is honest.
//!
//! # Figures
//! `named_*`: probability that the first spy names the author. `entropy_*`: mean entropy, in bits. Both with `_low` and
//! `_high`, the 95 % interval by bootstrap over the worlds (envelopes of one world are not independent). Then who delays
//! and mixes: `_fast` nobody, `_clients` clients alone (the defaults), `_own` clients, and relays what they say themselves
//! (a proposal: the core does it for all that a node sends or for nothing, so here a relay is told before each message, and told
//! back after it), `_blended` everybody; `_relay` or `_client` for who speaks, and for clients `_asks_all` or `_asks_own` for what they advertise;
//! and the share of observers in percent. Without who speaks it is over all, beside `surprise_*` and `verdicts_*`, the
//! number of guesses.
//!
//! | figure | what |
//! |---|---|
//! | `worlds`, `envelopes` | topologies, envelopes in each |
//! | `peers_{min,p50,max}` | links of relays among each other |
//! | `delivery_*` | share of (envelope, other relay) pairs that arrived |
//! | `latency_p50_ms_*`, `latency_p99_ms_*` | what a policy costs: from the command to the arrival at each relay |
//! | `entropy_most_*` | entropy of guessing blindly |

mod judge;
mod plan;
mod run;
mod watch;

pub use self::plan::SpyPlan;
pub use self::run::run;
