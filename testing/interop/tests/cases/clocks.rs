//! A geth whose clock is not ours. geth has the machine's clock; what is off is our own, which comes to the same.
//!
//! A receiver whose clock is behind the sealer's divides the work of an envelope by a longer life, and geth drops a peer for
//! one envelope that it finds too cheap.

use anyhow::{Context, Result, ensure};
use serde_json::json;
use undertone_node::Role;
use undertone_transport::Route;
use undertone_whisper::{Topic, topic_of};

use crate::geth::{Geth, hex};
use crate::ours::Ours;
use crate::{DEADLINE, public, text};

/// Envelopes of each case; where they are too cheap, about half of them are.
const COUNT: usize = 20;

/// What geth asks for: what Status asked of its nodes.
const POW: f64 = 0.002;

/// Payloads of a message to one person without a bundle and with one: the sizes in which they lie differ in how near the
/// work for them comes to what is asked.
const SIZES: [usize; 2] = [100, 600];

/// Half of what it bears.
pub(super) fn geth_is_five_seconds_behind_us() -> Result<()> {
    apart(5)
}

/// Nearly all that it bears.
pub(super) fn geth_is_nine_seconds_behind_us() -> Result<()> {
    apart(9)
}

/// The other way.
pub(super) fn geth_is_five_seconds_ahead_of_us() -> Result<()> {
    apart(-5)
}

/// All that we write to somebody at geth arrives, and geth is heard, on one link.
fn apart(ahead: i64) -> Result<()> {
    let geth = Geth::start(Some(POW))?;
    let mut ours = Ours::at(Role::Client, ahead, |_| {})?;
    let link = ours.dial(&geth.enode)?;
    ours.await_peers(1)?;
    let (id, secret) = geth.key_pair()?;
    let route = Route::Partition(secret.public());
    let filter = geth.filter(("privateKeyID", &id), topic_of(&route).context("topic")?, &ours.public())?;
    for number in 0..COUNT {
        let size = SIZES.get(number % SIZES.len()).context("size")?;
        let mut payload = number.to_string().into_bytes();
        payload.resize(*size, b'.');
        let sent = ours.send(&route, &payload)?;
        // In a packet of its own, so that each is judged.
        let envelope = ours.await_relayed(sent)?;
        ensure!(envelope.header().ttl == 15, "{:?}", envelope.header());
        let shown =
            filter.take(1, DEADLINE).with_context(|| format!("envelope {number}, {ahead} s ahead"))?;
        let shown = text(&shown.first().context("message")?["payload"])?;
        ensure!(shown == hex(&payload), "envelope {number} is {shown}");
    }

    let name = "another-clock";
    ours.listen(&public(name)?)?;
    let (sig, author) = geth.key_pair()?;
    let hash = geth.post(json!({
        "symKeyID": geth.topic_key(name)?, "sig": sig, "topic": Topic::of(name).to_string(), "ttl": 15,
        "powTarget": POW, "powTime": 5, "payload": hex(b"what time is it?"),
    }))?;
    let heard = ours.await_message(&hash)?;
    ensure!(heard.author == author.public(), "{heard:?}");
    ours.ensure_never_lost(&[link.peer])?;
    ours.stop()
}
