//! RLP whose headers lie.

use super::Mutation;

/// An RLP item of the sample.
enum Item {
    Text(Vec<u8>),
    List(Vec<Item>),
}

/// What is done to one item. The lists around it are encoded anew, so that only this item lies.
#[derive(Clone, Copy, Debug)]
enum Lie {
    LengthUp,
    LengthDown,
    LongForm,
    PaddedLength,
    FourGiB,
    AllBits,
    OtherKind,
    LeadingZero,
    Wide,
    Emptied,
    Missing,
    Twice,
    Deep,
    Many,
}

const LIES: [Lie; 14] = [
    Lie::LengthUp,
    Lie::LengthDown,
    Lie::LongForm,
    Lie::PaddedLength,
    Lie::FourGiB,
    Lie::AllBits,
    Lie::OtherKind,
    Lie::LeadingZero,
    Lie::Wide,
    Lie::Emptied,
    Lie::Missing,
    Lie::Twice,
    Lie::Deep,
    Lie::Many,
];

/// Every header of a valid RLP sample: length one up or down, the long form for a short length or padded with
/// zeros, 4 GiB or 2⁶⁴−1 bytes announced, a string for a list and the reverse, an integer with a leading zero or
/// of 33 bytes, the item empty, missing, twice, a thousand lists deep, or empty five thousand times.
///
/// # Panics
/// When the sample is not RLP.
pub fn rlp(sample: &[u8]) -> Vec<Mutation> {
    let mut items = Vec::new();
    assert!(parse(sample, &mut items).is_some(), "the sample is not rlp");
    let count = items.iter().map(Item::count).sum();
    let mut made = Vec::new();
    for target in 0..count {
        for lie in LIES {
            let mut bytes = Vec::new();
            let mut next = 0;
            items.iter().for_each(|item| item.encode(&mut bytes, &mut next, target, lie));
            if bytes != sample {
                made.push(Mutation { name: format!("item {target}: {lie:?}"), bytes });
            }
        }
    }
    made
}

impl Item {
    fn count(&self) -> usize {
        match self {
            Self::Text(_) => 1,
            Self::List(items) => items.iter().map(Self::count).sum::<usize>().saturating_add(1),
        }
    }

    /// Writes the item; the one with the number `target` with its lie.
    fn encode(&self, out: &mut Vec<u8>, next: &mut usize, target: usize, lie: Lie) {
        let here = *next == target;
        *next = next.saturating_add(1);
        let (mut payload, list) = match self {
            Self::Text(bytes) => (bytes.clone(), false),
            Self::List(items) => {
                let mut payload = Vec::new();
                items.iter().for_each(|item| item.encode(&mut payload, next, target, lie));
                (payload, true)
            }
        };
        if !here {
            return whole(out, &payload, list);
        }
        let base = if list { 0xc0u8 } else { 0x80 };
        match lie {
            Lie::LengthUp => header(out, base, payload.len().saturating_add(1)),
            Lie::LengthDown => header(out, base, payload.len().saturating_sub(1)),
            Lie::LongForm => long(out, base, payload.len(), false),
            Lie::PaddedLength => long(out, base, payload.len(), true),
            Lie::FourGiB => out.extend([base.saturating_add(0x3b), 0xff, 0xff, 0xff, 0xff]),
            Lie::AllBits => out.extend([&[base.saturating_add(0x3f)][..], &[0xff; 8]].concat()),
            Lie::OtherKind => header(out, base ^ 0x40, payload.len()),
            Lie::LeadingZero => {
                payload.insert(0, 0);
                header(out, base, payload.len());
            }
            Lie::Wide => {
                payload = vec![0xff; 33];
                header(out, base, payload.len());
            }
            Lie::Emptied => {
                payload.clear();
                header(out, base, 0);
            }
            Lie::Missing => payload.clear(),
            Lie::Twice => {
                whole(out, &payload, list);
                return whole(out, &payload, list);
            }
            Lie::Deep => return deep(out),
            Lie::Many => return out.extend([base; 5_000]),
        }
        out.extend_from_slice(&payload);
    }
}

fn whole(out: &mut Vec<u8>, payload: &[u8], list: bool) {
    match payload {
        [byte] if !list && *byte < 0x80 => {}
        _ => header(out, if list { 0xc0 } else { 0x80 }, payload.len()),
    }
    out.extend_from_slice(payload);
}

fn header(out: &mut Vec<u8>, base: u8, len: usize) {
    match u8::try_from(len) {
        Ok(short) if short < 56 => out.push(base.saturating_add(short)),
        _ => long(out, base, len, false),
    }
}

/// The long form: how many bytes the length has, the length. `padded` makes it eight bytes.
fn long(out: &mut Vec<u8>, base: u8, len: usize, padded: bool) {
    let full = (len as u64).to_be_bytes();
    let zeros = if padded { 0 } else { full.iter().take_while(|b| **b == 0).count().min(7) };
    let width = u8::try_from(full.len().saturating_sub(zeros)).unwrap_or(8);
    out.push(base.saturating_add(55).saturating_add(width));
    out.extend(full.iter().skip(zeros));
}

/// A thousand lists, one in the other, with honest lengths.
fn deep(out: &mut Vec<u8>) {
    let mut inner = vec![0xc0];
    for _ in 0..1_000 {
        let mut outer = Vec::with_capacity(inner.len().saturating_add(3));
        whole(&mut outer, &inner, true);
        inner = outer;
    }
    out.extend(inner);
}

/// Reads canonical RLP to its end.
fn parse(mut input: &[u8], out: &mut Vec<Item>) -> Option<()> {
    while let Some((&first, rest)) = input.split_first() {
        if first < 0x80 {
            out.push(Item::Text(vec![first]));
            input = rest;
            continue;
        }
        let (base, list) = if first < 0xc0 { (0x80, false) } else { (0xc0, true) };
        let short = usize::from(first.checked_sub(base)?);
        let (len, rest) = match short.checked_sub(55) {
            None | Some(0) => (short, rest),
            Some(width) => {
                let (digits, rest) = rest.split_at_checked(width)?;
                (digits.iter().fold(0usize, |n, b| n.wrapping_shl(8) | usize::from(*b)), rest)
            }
        };
        let (payload, rest) = rest.split_at_checked(len)?;
        input = rest;
        if list {
            let mut items = Vec::new();
            parse(payload, &mut items)?;
            out.push(Item::List(items));
        } else {
            out.push(Item::Text(payload.to_vec()));
        }
    }
    Some(())
}
