//! The sealed payload by an independent reader and writer, that of `@waku/message-encryption`: what one seals the other
//! opens, and what is wrong neither does.

use anyhow::{Context, Result, ensure};
use rand_core::CryptoRng;
use undertone_base::Secret;
use undertone_crypto::{KeyId, MemoryKeyring, Opaque, PublicKey, SecretKey};
use undertone_runtime::Environment;
use undertone_sealed::{Form, Opened, Padding, SealRequest, SealTo};
use undertone_sealed::{open_asymmetric, open_symmetric, seal, sealed_len};

use crate::payload::{Read, Sealer};

const FORMS: [Form; 2] = [Form::Symmetric, Form::Asymmetric];

/// Payloads in bytes: none and one; where the plaintext fills its first 256 bytes, signed (189) and not (254), with one
/// less and one more; both sides of each length of the size field; some beyond 64 KiB, up to what an envelope holds.
const SIZES: [usize; 20] = [
    0, 1, 2, 188, 189, 190, 253, 254, 255, 256, 257, 443, 444, 509, 65_467, 65_535, 65_536, 65_537, 131_072,
    1_048_000,
];

/// Every size, form and signature, sealed by us.
pub(super) fn the_package_opens_what_we_seal() -> Result<()> {
    let (mut sealer, keys) = (Sealer::start()?, Keys::draw()?);
    let rng = &mut Environment::system()?.rng();
    let mut cases = 0;
    for (form, signed, size) in all() {
        let payload = random(rng, size);
        let data = keys.seal(form, signed, &payload, rng)?;
        let expected = Read { payload, author: signed.then(|| keys.author.public()) };
        let read = sealer.open(form, keys.to_open(form), &data)??;
        ensure!(read == expected, "{form:?}, signed: {signed}, {size} bytes");
        cases += 1;
    }
    ensure!(cases == 80, "{cases} cases");
    Ok(())
}

/// The same, sealed by the package; its padding follows our rule, and its signature names its author.
pub(super) fn we_open_what_the_package_seals() -> Result<()> {
    let (mut sealer, keys) = (Sealer::start()?, Keys::draw()?);
    let rng = &mut Environment::system()?.rng();
    let mut cases = 0;
    for (form, signed, size) in all() {
        let payload = random(rng, size);
        let signer = signed.then(|| keys.author.secret().expose().as_slice());
        let data = sealer.seal(form, &keys.to_seal(form), signer, &payload)?;
        let what = || format!("{form:?}, signed: {signed}, {size} bytes");
        let opened = keys.open(form, &data).ok().with_context(what)?;
        ensure!(opened.payload == payload, "another payload: {}", what());
        ensure!(opened.author == signed.then(|| keys.author.public()), "another author: {}", what());
        ensure!((1..=256).contains(&opened.padding.len()), "padding of {}: {}", opened.padding.len(), what());
        ensure!(data.len() == sealed_len(size, signed, form), "{} bytes in all: {}", data.len(), what());
        cases += 1;
    }
    ensure!(cases == 80, "{cases} cases");
    Ok(())
}

/// Another key, one changed byte at every place that matters, a missing byte, and one too many: neither opens it.
pub(super) fn both_refuse_alike() -> Result<()> {
    let (mut sealer, keys, others) = (Sealer::start()?, Keys::draw()?, Keys::draw()?);
    let rng = &mut Environment::system()?.rng();
    for form in FORMS {
        let good = keys.seal(form, true, b"whole", rng)?;
        ensure!(sealer.open(form, keys.to_open(form), &good)?.is_ok() && keys.open(form, &good).is_ok());
        let foreign = sealer.open(form, others.to_open(form), &good)?;
        ensure!(foreign.is_err() && others.open(form, &good).is_err(), "{form:?}: another key opens it");

        let mut bad: Vec<(String, Vec<u8>)> = Vec::new();
        // First byte, the curve point, the start of the text behind it, the middle, tag or nonce, the last byte.
        for place in [0, 1, 64, 65, 80, 81, good.len() / 2, good.len() - 28, good.len() - 12, good.len() - 1]
        {
            let mut changed = good.clone();
            *changed.get_mut(place).context("place")? ^= 0x40;
            bad.push((format!("byte {place} changed"), changed));
        }
        let longer = [good.as_slice(), &[0]].concat();
        bad.extend([("one byte more".to_owned(), longer), ("nothing".to_owned(), Vec::new())]);
        for kept in [1, 11, 12, 27, 28, 64, 97, 112, good.len() - 1] {
            bad.push((format!("cut to {kept}"), good.get(..kept).context("cut")?.to_vec()));
        }
        for (what, data) in bad {
            ensure!(keys.open(form, &data).is_err(), "{form:?}: we open it: {what}");
            ensure!(sealer.open(form, keys.to_open(form), &data)?.is_err(), "{form:?}: it opens it: {what}");
        }
    }
    Ok(())
}

/// Public keys of the same secrets.
pub(super) fn both_derive_the_same_keys() -> Result<()> {
    let mut sealer = Sealer::start()?;
    let rng = &mut Environment::system()?.rng();
    for _ in 0..20 {
        let key = SecretKey::random(rng);
        ensure!(sealer.public(key.secret().expose())? == key.public(), "another public key");
    }
    Ok(())
}

fn all() -> impl Iterator<Item = (Form, bool, usize)> {
    let signed = |form| [false, true].map(|signed| (form, signed));
    FORMS.into_iter().flat_map(signed).flat_map(|(form, signed)| SIZES.map(|size| (form, signed, size)))
}

/// Who seals to whom.
struct Keys {
    symmetric: Secret<32>,
    recipient: SecretKey,
    author: SecretKey,
    ring: MemoryKeyring,
}

impl Keys {
    fn draw() -> Result<Self> {
        let rng = &mut Environment::system()?.rng();
        let (recipient, author) = (SecretKey::random(rng), SecretKey::random(rng));
        let mut ring = MemoryKeyring::new();
        ring.insert(recipient.clone());
        ring.insert(author.clone());
        Ok(Self { symmetric: Secret::random(rng), recipient, author, ring })
    }

    /// The bytes of the key that seals.
    fn to_seal(&self, form: Form) -> Vec<u8> {
        match form {
            Form::Asymmetric => self.recipient.public().to_uncompressed().to_vec(),
            Form::Symmetric => self.symmetric.expose().to_vec(),
        }
    }

    /// The bytes of the key that opens.
    fn to_open(&self, form: Form) -> &[u8] {
        match form {
            Form::Asymmetric => self.recipient.secret().expose(),
            Form::Symmetric => self.symmetric.expose(),
        }
    }

    fn seal(
        &self,
        form: Form,
        signed: bool,
        payload: &[u8],
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Vec<u8>> {
        let recipient: PublicKey = self.recipient.public();
        let seal_to = match form {
            Form::Asymmetric => SealTo::Asymmetric(&recipient),
            Form::Symmetric => SealTo::Symmetric(&self.symmetric),
        };
        let signer = signed.then(|| (&self.ring as _, KeyId::of(&self.author.public())));
        Ok(seal(&SealRequest { payload, signer, seal_to, padding: Padding::Auto }, rng)?)
    }

    fn open(&self, form: Form, data: &[u8]) -> Result<Opened, Opaque> {
        match form {
            Form::Asymmetric => open_asymmetric(&self.ring, KeyId::of(&self.recipient.public()), data),
            Form::Symmetric => open_symmetric(&self.symmetric, data),
        }
    }
}

fn random(rng: &mut (impl CryptoRng + ?Sized), size: usize) -> Vec<u8> {
    let mut bytes = vec![0; size];
    rng.fill_bytes(&mut bytes);
    bytes
}
