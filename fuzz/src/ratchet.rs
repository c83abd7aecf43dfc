//! The security layer: messages of strangers, rows of the store, and two people on a hostile network.

use std::time::Duration;

use undertone_base::{Mono, Now, Unix};
use undertone_crypto::{MemoryKeyring, PublicKey, SecretKey};
use undertone_ratchet::{
    Context, Device, Encryption, FiledKey, InstallationId, LocalIdentity, MemoryRatchetStore, OpenError,
    Opened, OwnPrekey, OwnState, Protection, ProtocolMessage, Session,
};
use undertone_support::{ChaCha20Rng, rng};

/// Operations of one run of [`ratchet_network`]: below every limit on skipped and waiting messages.
const MOST_OPERATIONS: usize = 300;

/// A message of somebody unknown. A refusal leaves the store as it was.
pub fn protocol_message(data: &[u8]) {
    if let Ok(message) = ProtocolMessage::decode(data) {
        let _ = (message.installation(), message.recipients().count(), message.public());
        for bundle in message.bundles() {
            let _ = bundle.verify(START).is_ok();
        }
    }
    let mut bob = Party::new(2);
    let stranger = secret(7).public();
    let before = bob.store.clone();
    let mut now = Now { mono: Mono::ZERO, unix: START };
    if bob.open(now, &stranger, data).is_err() {
        assert_eq!(bob.store, before, "a refused message changes nothing");
    }
    now.unix = now.unix.after(Duration::from_secs(1));
    let before = bob.store.clone();
    if bob.layer.learn(&mut bob.store, now, &stranger, data).is_err() {
        assert_eq!(bob.store, before, "refused bundles change nothing");
    }
}

/// Every kind of row, from a store that somebody may have written to.
pub fn ratchet_stored(data: &[u8]) {
    macro_rules! survives {
        ($($row:ty)*) => {
            $(if let Ok(row) = <$row>::from_bytes(data) {
                let bytes = row.to_bytes();
                let again = <$row>::from_bytes(bytes.as_ref()).expect("what we wrote can be read");
                assert_eq!(again.to_bytes(), bytes);
            })*
        };
    }
    survives!(Device FiledKey OwnPrekey OwnState Session);
}

/// Two people who write to each other while the network delivers late, twice, out of order and damaged, as the
/// operations say. What comes out was put in by the other; the ratchet reads each message once; a refusal
/// changes nothing.
pub fn ratchet_network(data: &[u8]) {
    let mut parties = [Party::new(1), Party::new(2)];
    let keys = [secret(1).public(), secret(2).public()];
    let mut now = Now { mono: Mono::ZERO, unix: START };
    let mut sent: [Vec<Message>; 2] = Default::default();
    for pair in data.chunks_exact(2).take(MOST_OPERATIONS) {
        let (op, arg) = (pair[0], usize::from(pair[1]));
        let (from, to) = (usize::from(op & 1), usize::from(!op & 1));
        now = now.after(Duration::from_millis(7));
        match op >> 1 & 3 {
            0 => {
                let payload = vec![arg as u8; 1 + arg % 5];
                let sealed = parties[from].seal(now, &keys[to], &payload);
                sent[from].push(Message { bytes: sealed.bytes, payload, read: false });
            }
            1 | 2 => {
                let Some(at) = arg.checked_rem(sent[from].len()) else { continue };
                let before = parties[to].store.clone();
                let opened = parties[to].open(now, &keys[from], &sent[from][at].bytes);
                judge(&mut sent[from], at, opened, before == parties[to].store);
            }
            _ => {
                let Some(at) = arg.checked_rem(sent[from].len()) else { continue };
                let mut bytes = sent[from][at].bytes.clone();
                let place = (arg * 31 + usize::from(op >> 3) * 7) % bytes.len();
                bytes[place] ^= 1 << (op >> 5);
                let before = parties[to].store.clone();
                match parties[to].open(now, &keys[from], &bytes) {
                    Ok(Opened { payload: Some(payload), protection: Protection::Pfs, .. }) => {
                        // The bit was outside what decides: in a bundle, or in a field that is not ours.
                        let original = &mut sent[from][at];
                        assert_eq!(payload, original.payload, "damage never changes what is read");
                        // Whatever name the device goes by, which only the envelope's signature protects.
                        assert!(!original.read, "the ratchet reads a message once");
                        original.read = true;
                    }
                    Ok(_) => {}
                    Err(_) => assert_eq!(parties[to].store, before, "a refused message changes nothing"),
                }
            }
        }
    }
}

struct Message {
    bytes: Vec<u8>,
    payload: Vec<u8>,
    read: bool,
}

fn judge(sent: &mut [Message], at: usize, opened: Result<Opened, OpenError>, unchanged: bool) {
    let message = &mut sent[at];
    match opened {
        Ok(opened) => {
            assert_eq!(opened.payload.as_ref(), Some(&message.payload));
            if opened.protection == Protection::Pfs {
                assert!(!message.read, "the ratchet reads a message once");
            }
            message.read = true;
        }
        Err(error) => {
            assert!(message.read, "a message that came undamaged is read: {error:?}");
            assert!(unchanged, "a refused message changes nothing");
        }
    }
}

const START: Unix = Unix::from_millis(1_795_356_500_000);

struct Party {
    keyring: MemoryKeyring,
    layer: Encryption,
    store: MemoryRatchetStore,
    rng: ChaCha20Rng,
}

impl Party {
    fn new(n: u8) -> Self {
        let mut keyring = MemoryKeyring::new();
        let id = keyring.insert(secret(n));
        let own = LocalIdentity::new(&keyring, id).expect("the keyring has it");
        let mut rng = rng(u64::from(n));
        let layer = Encryption::new(own, InstallationId::random(&mut rng));
        Self { keyring, layer, store: MemoryRatchetStore::new(), rng }
    }

    fn open(&mut self, now: Now, sender: &PublicKey, bytes: &[u8]) -> Result<Opened, OpenError> {
        let mut cx = Context { store: &mut self.store, keyring: &self.keyring, now, rng: &mut self.rng };
        self.layer.open(&mut cx, sender, bytes)
    }

    fn seal(&mut self, now: Now, to: &PublicKey, payload: &[u8]) -> undertone_ratchet::Sealed {
        let mut cx = Context { store: &mut self.store, keyring: &self.keyring, now, rng: &mut self.rng };
        self.layer.seal_direct(&mut cx, to, payload).expect("a short payload can always be sealed")
    }
}

fn secret(n: u8) -> SecretKey {
    SecretKey::from_slice(&[n; 32]).expect("a scalar in range")
}
