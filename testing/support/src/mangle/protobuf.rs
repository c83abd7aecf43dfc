//! Protobuf whose tags and lengths lie.

use super::Mutation;

/// A field of the sample.
struct Field {
    number: u64,
    value: Value,
}

enum Value {
    Varint(u64),
    Fixed64([u8; 8]),
    Fixed32([u8; 4]),
    Bytes(Vec<u8>),
    /// Bytes that are themselves fields.
    Message(Vec<Field>),
}

/// What is done to one field. The messages around it are encoded anew, so that only this field lies.
#[derive(Clone, Copy, Debug)]
enum Lie {
    /// Another wire type, with a value of that type behind it.
    Type(u8),
    /// Another number.
    Number(u64),
    /// Another value of the same wire type.
    Edge(u64),
    /// Another length before the same bytes.
    Length(Announced),
    /// A varint that never ends, in place of the tag or of length or value.
    EndlessTag,
    EndlessValue,
    Missing,
    Twice,
    Emptied,
    NotText,
    /// This often, empty.
    Many(usize),
    /// This many group starts in its place.
    Groups(usize),
    /// Its own bytes this many messages deep.
    Deep(usize),
}

#[derive(Clone, Copy, Debug)]
enum Announced {
    OneMore,
    OneLess,
    Exactly(u64),
}

/// Every field of a valid protobuf sample, also of messages within: every other wire type, field numbers 0 and
/// beyond 2²⁹, lengths one off, 16 MiB, 4 GiB, 2⁶³−1 and 2⁶⁴−1, varints that do not end, edge values, bytes that
/// are no UTF-8, the field missing, twice, empty or empty five thousand times, and groups and messages nested a thousand deep.
///
/// # Panics
/// When the sample is not protobuf.
pub fn protobuf(sample: &[u8]) -> Vec<Mutation> {
    let fields = parse(sample);
    assert!(fields.is_some(), "the sample is not protobuf");
    let fields = fields.unwrap_or_default();
    let mut made = Vec::new();
    for target in 0..count(&fields) {
        for lie in lies() {
            let mut bytes = Vec::new();
            encode(&fields, &mut bytes, &mut 0, target, lie);
            if bytes != sample {
                made.push(Mutation { name: format!("field {target}: {lie:?}"), bytes });
            }
        }
    }
    made
}

fn lies() -> impl Iterator<Item = Lie> {
    let exact = [0, 16 << 20, u64::from(u32::MAX), (1 << 63) - 1, u64::MAX];
    let lengths = exact.map(Announced::Exactly).into_iter().chain([Announced::OneMore, Announced::OneLess]);
    (0..8)
        .map(Lie::Type)
        .chain([0, 15, (1 << 29) - 1, 1 << 29, 1 << 40].map(Lie::Number))
        .chain([0, 1, 0x7fff_ffff, 0xffff_ffff, 1 << 63, u64::MAX].map(Lie::Edge))
        .chain(lengths.map(Lie::Length))
        .chain([Lie::EndlessTag, Lie::EndlessValue, Lie::Missing, Lie::Twice, Lie::Emptied, Lie::NotText])
        .chain([Lie::Groups(1), Lie::Groups(2_000), Lie::Deep(200), Lie::Many(5_000)])
}

fn count(fields: &[Field]) -> usize {
    let of = |field: &Field| match &field.value {
        Value::Message(inner) => count(inner).saturating_add(1),
        _ => 1,
    };
    fields.iter().map(of).sum()
}

fn encode(fields: &[Field], out: &mut Vec<u8>, next: &mut usize, target: usize, lie: Lie) {
    for field in fields {
        let here = *next == target;
        *next = next.saturating_add(1);
        let payload = match &field.value {
            Value::Varint(value) => varint_of(*value),
            Value::Fixed64(bytes) => bytes.to_vec(),
            Value::Fixed32(bytes) => bytes.to_vec(),
            Value::Bytes(bytes) => bytes.clone(),
            Value::Message(inner) => {
                let mut payload = Vec::new();
                encode(inner, &mut payload, next, target, lie);
                payload
            }
        };
        if here {
            lying(field, &payload, out, lie);
        } else {
            whole(field.number, field.value.wire(), &payload, out);
        }
    }
}

fn lying(field: &Field, payload: &[u8], out: &mut Vec<u8>, lie: Lie) {
    let (number, wire) = (field.number, field.value.wire());
    match lie {
        Lie::Type(wire) => {
            let value = match wire {
                0 => varint_of(1),
                1 => vec![1; 8],
                5 => vec![1; 4],
                2 => payload.to_vec(),
                _ => Vec::new(),
            };
            whole(number, wire, &value, out);
        }
        Lie::Number(number) => whole(number, wire, payload, out),
        Lie::Edge(value) => {
            let bytes = match wire {
                0 => varint_of(value),
                1 => value.to_le_bytes().to_vec(),
                5 => value.to_le_bytes().into_iter().take(4).collect(),
                _ => varint_of(value).repeat(40),
            };
            whole(number, wire, &bytes, out);
        }
        Lie::Length(announced) => {
            tag(number, 2, out);
            let len = payload.len() as u64;
            out.extend(varint_of(match announced {
                Announced::OneMore => len.saturating_add(1),
                Announced::OneLess => len.saturating_sub(1),
                Announced::Exactly(len) => len,
            }));
            out.extend_from_slice(payload);
        }
        Lie::EndlessTag => out.extend([0xff; 20]),
        Lie::EndlessValue => {
            tag(number, wire, out);
            out.extend([0x80; 20]);
        }
        Lie::Missing => {}
        Lie::Twice => {
            whole(number, wire, payload, out);
            whole(number, wire, payload, out);
        }
        Lie::Emptied => whole(number, 2, &[], out),
        Lie::NotText => whole(number, 2, &[0xff, 0xfe, 0xc0, 0x80], out),
        Lie::Many(times) => (0..times).for_each(|_| whole(number, 2, &[], out)),
        Lie::Groups(depth) => (0..depth).for_each(|_| tag(number, 3, out)),
        Lie::Deep(depth) => {
            let nest = |inner: Vec<u8>, _| {
                let mut outer = Vec::with_capacity(inner.len().saturating_add(8));
                whole(number, 2, &inner, &mut outer);
                outer
            };
            out.extend((0..depth).fold(payload.to_vec(), nest));
        }
    }
}

impl Value {
    const fn wire(&self) -> u8 {
        match self {
            Self::Varint(_) => 0,
            Self::Fixed64(_) => 1,
            Self::Bytes(_) | Self::Message(_) => 2,
            Self::Fixed32(_) => 5,
        }
    }
}

fn whole(number: u64, wire: u8, payload: &[u8], out: &mut Vec<u8>) {
    tag(number, wire, out);
    if wire == 2 {
        out.extend(varint_of(payload.len() as u64));
    }
    out.extend_from_slice(payload);
}

fn tag(number: u64, wire: u8, out: &mut Vec<u8>) {
    out.extend(varint_of(number.wrapping_shl(3) | u64::from(wire)));
}

fn varint_of(mut value: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(10);
    loop {
        let low = u8::try_from(value & 0x7f).unwrap_or_default();
        value >>= 7;
        if value == 0 {
            out.push(low);
            return out;
        }
        out.push(low | 0x80);
    }
}

fn varint(input: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = input.split_first()?;
        *input = rest;
        value |= u64::from(byte & 0x7f).wrapping_shl(shift);
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

/// The fields of a message, when the bytes are one to their end.
fn parse(mut input: &[u8]) -> Option<Vec<Field>> {
    let mut fields = Vec::new();
    while !input.is_empty() {
        let tag = varint(&mut input)?;
        let number = tag >> 3;
        if number == 0 || number >= 1 << 29 {
            return None;
        }
        let value = match tag & 7 {
            0 => Value::Varint(varint(&mut input)?),
            1 => Value::Fixed64(fixed(&mut input)?),
            5 => Value::Fixed32(fixed(&mut input)?),
            2 => {
                let len = usize::try_from(varint(&mut input)?).ok()?;
                let (bytes, rest) = input.split_at_checked(len)?;
                input = rest;
                match parse(bytes) {
                    Some(inner) if !inner.is_empty() => Value::Message(inner),
                    _ => Value::Bytes(bytes.to_vec()),
                }
            }
            _ => return None,
        };
        fields.push(Field { number, value });
    }
    Some(fields)
}

fn fixed<const N: usize>(input: &mut &[u8]) -> Option<[u8; N]> {
    let (head, rest) = input.split_first_chunk::<N>()?;
    *input = rest;
    Some(*head)
}
