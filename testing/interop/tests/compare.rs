//! One message as geth's JSON-RPC shows it, against our envelope and what we open of it: every field.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use undertone_crypto::PublicKey;
use undertone_sealed::Opened;
use undertone_whisper::{Envelope, RawEnvelope};

use crate::geth::hex;

/// Bytes of a signature at the end of a plaintext.
const SIGNATURE: usize = 65;

/// The size that a padded plaintext is a multiple of.
const CLASS: usize = 256;

/// Who chose the padding.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Padding<'a> {
    /// Whoever posted, these bytes.
    Given(&'a [u8]),
    /// The sealer: random, up to the next multiple of 256.
    Random,
}

/// Fails with the name of the first field that differs.
pub(crate) fn same(
    message: &Value,
    envelope: &Envelope,
    opened: &Opened,
    sealed_to: Option<&PublicKey>,
    padding: Padding<'_>,
) -> Result<()> {
    let header = envelope.header();
    let raw = RawEnvelope::decode(envelope.bytes())?;
    let author = opened.author.context("the message is not signed")?;
    field(message, "hash", json!(envelope.hash().to_string()))?;
    field(message, "topic", json!(header.topic.to_string()))?;
    field(message, "ttl", json!(header.ttl))?;
    field(message, "timestamp", json!(header.expiry - header.ttl))?;
    ensure!(envelope.sent_at().secs() == u64::from(header.expiry - header.ttl), "sent_at");
    field(message, "sig", json!(author.to_hex()))?;
    field(message, "payload", json!(hex(&opened.payload)))?;
    field(message, "padding", json!(hex(&opened.padding)))?;
    match sealed_to {
        Some(key) => field(message, "recipientPublicKey", json!(key.to_hex()))?,
        None => ensure!(message.get("recipientPublicKey").is_none_or(Value::is_null), "recipientPublicKey"),
    }
    // Two divisions in binary64 on both sides; the text between them may lose the last digit.
    let (ours, theirs) = (raw.work().geth(header.ttl), message["pow"].as_f64().context("pow")?);
    ensure!((ours - theirs).abs() <= ours * 1e-12, "pow: {ours} here, {theirs} in geth");
    padded(opened, padding)
}

fn field(message: &Value, name: &str, ours: Value) -> Result<()> {
    let theirs = &message[name];
    let short = |value: &Value| value.to_string().chars().take(200).collect::<String>();
    ensure!(*theirs == ours, "{name}: {} here, {} in geth", short(&ours), short(theirs));
    Ok(())
}

fn padded(opened: &Opened, padding: Padding<'_>) -> Result<()> {
    let got = opened.padding.len();
    match padding {
        Padding::Given(bytes) => ensure!(opened.padding == bytes, "padding of {got} bytes was not kept"),
        Padding::Random => {
            let size_field = match opened.payload.len() {
                0..=0xff => 1,
                0x100..=0xffff => 2,
                _ => 3,
            };
            let plaintext = 1 + size_field + opened.payload.len() + got + SIGNATURE;
            ensure!((1..=CLASS).contains(&got) && plaintext.is_multiple_of(CLASS), "padding of {got} bytes");
        }
    }
    Ok(())
}
