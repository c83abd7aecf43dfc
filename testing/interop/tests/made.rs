//! Envelopes made by hand, right or wrong.

use anyhow::Result;
use undertone_base::Now;
use undertone_crypto::kdf::topic_key;
use undertone_crypto::{KeyId, MemoryKeyring, PublicKey, SecretKey};
use undertone_runtime::Environment;
use undertone_sealed::{Padding, SealRequest, SealTo, seal};
use undertone_whisper::{Envelope, Header, RawEnvelope, Topic};

/// Signs what it makes.
pub(crate) struct Maker {
    env: Environment,
    ring: MemoryKeyring,
    signer: KeyId,
    /// The author of all of it.
    pub(crate) author: PublicKey,
}

/// When an envelope was made and how long it lives, in seconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    /// Made so long from now, which may be before.
    pub(crate) sent: i64,
    pub(crate) ttl: u32,
}

/// Its proof of work, as geth counts it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Work {
    AtLeast(f64),
    /// Under this, and as little as the first nonces give.
    Below(f64),
    /// None was done.
    Unpaid,
}

impl Maker {
    pub(crate) fn new() -> Result<Self> {
        let env = Environment::system()?;
        let key = SecretKey::random(&mut env.rng());
        let author = key.public();
        let mut ring = MemoryKeyring::new();
        let signer = ring.insert(key);
        Ok(Self { env, ring, signer, author })
    }

    /// An envelope on a public chat.
    pub(crate) fn make(&self, name: &str, payload: &[u8], times: Times, work: Work) -> Result<Envelope> {
        let key = topic_key(name);
        let request = SealRequest {
            payload,
            signer: Some((&self.ring, self.signer)),
            seal_to: SealTo::Symmetric(&key),
            padding: Padding::Auto,
        };
        let data = seal(&request, &mut self.env.rng())?;
        let Now { unix, .. } = self.env.now();
        let sent = u32::try_from(i64::try_from(unix.secs())? + times.sent)?;
        let header = Header { expiry: sent.wrapping_add(times.ttl), ttl: times.ttl, topic: Topic::of(name) };
        let mut nonce = 0;
        loop {
            let envelope = Envelope::new(header, &data, nonce);
            let raw = RawEnvelope::decode(envelope.bytes())?;
            // Who lives for no time at all is paid for as if for a second: without this any nonce would do.
            let pow = raw.work().geth(times.ttl.max(1));
            let right = match work {
                Work::AtLeast(wanted) => pow >= wanted,
                Work::Below(wanted) => pow < wanted,
                Work::Unpaid => true,
            };
            if right {
                return Ok(envelope);
            }
            nonce += 1;
        }
    }
}

/// The body of a packet of envelopes: a list of them.
pub(crate) fn packet(envelopes: &[&Envelope]) -> Vec<u8> {
    let body: Vec<u8> = envelopes.iter().flat_map(|envelope| envelope.bytes().iter().copied()).collect();
    let mut packet = Vec::new();
    match body.len() {
        len @ 0..=55 => packet.push(0xc0 + u8::try_from(len).unwrap_or_default()),
        len => {
            let size: Vec<u8> = len.to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect();
            packet.push(0xf7 + u8::try_from(size.len()).unwrap_or_default());
            packet.extend(size);
        }
    }
    packet.extend(body);
    packet
}
