//! Bad input, systematically: the reader under any lengths, and hex.

use undertone_base::{Reader, Truncated, decode_hex};
use undertone_support::mangle::{self, Mutation, Trial, Whose};

/// A record of two fixed fields and one whose length the input declares in eight bytes.
fn record(bytes: &[u8]) -> Result<usize, Truncated> {
    let mut reader = Reader::new(bytes);
    reader.take::<3>()?;
    let before = reader.remaining();
    let len = usize::try_from(u64::from_le_bytes(reader.take()?)).unwrap_or(usize::MAX);
    let field = reader.sub(len)?;
    assert_eq!(field.len(), len);
    reader.take::<2>()?;
    assert!(reader.remaining() < before);
    Ok(reader.rest().len())
}

#[test]
fn a_reader_never_reads_what_is_not_there() {
    let sample = [&[1, 2, 3][..], &5u64.to_le_bytes(), b"hello", &[9, 9]].concat();
    assert_eq!(record(&sample), Ok(0));
    let mut trial = Trial::new(Whose::Peer);
    for mutation in mangle::bytes(&sample) {
        if let Some(rest) = trial.run(&mutation, record, |e| (e.fault(), e.code())) {
            assert!(rest < mutation.bytes.len(), "{}", mutation.name);
        }
    }
    trial.at_least(80, 40);
    assert_eq!(trial.peak, 0, "nothing is copied");
}

#[test]
fn mangled_hex_is_refused_or_another_id() {
    let mut trial = Trial::new(Whose::Caller);
    for mutation in mangle::text("0x00112233445566778899aabbccddeeff") {
        let read = |b: &[u8]| decode_hex::<16>(std::str::from_utf8(b).unwrap());
        if let Some(id) = trial.run(&mutation, read, |e| (e.fault(), e.code())) {
            let changed = Mutation::new("again", mutation.bytes.to_ascii_lowercase());
            let digits: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
            assert!(String::from_utf8(changed.bytes).unwrap().ends_with(&digits), "{}", mutation.name);
        }
    }
    trial.at_least(250, 200);
}
