//! Counts the parts of a payload before anything is allocated for them.

use undertone_base::Reader;

const ACKS: u64 = 5001;
const OFFERS: u64 = 5002;
const REQUESTS: u64 = 5003;
const MESSAGES: u64 = 5004;

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Counts {
    pub(crate) ids: usize,
    pub(crate) messages: usize,
}

/// Walks the top-level fields; `None` when the bytes are no protobuf.
///
/// DEVIATION: groups (wire types 3 and 4), which proto3 writers never make, count as no protobuf here, where
/// the reference skips unknown ones. Walking nested groups of a stranger is not worth it; the bytes are
/// handed on as plain. Pinned by `a_group_is_not_recognised`.
pub(crate) fn count(bytes: &[u8]) -> Option<Counts> {
    let mut reader = Reader::new(bytes);
    let mut counts = Counts::default();
    while reader.remaining() > 0 {
        let key = varint(&mut reader)?;
        match key & 7 {
            0 => drop(varint(&mut reader)?),
            1 => drop(reader.take::<8>().ok()?),
            2 => {
                let len = usize::try_from(varint(&mut reader)?).ok()?;
                reader.sub(len).ok()?;
                match key >> 3 {
                    ACKS | OFFERS | REQUESTS => counts.ids = counts.ids.saturating_add(1),
                    MESSAGES => counts.messages = counts.messages.saturating_add(1),
                    _ => {}
                }
            }
            5 => drop(reader.take::<4>().ok()?),
            _ => return None,
        }
    }
    Some(counts)
}

fn varint(reader: &mut Reader<'_>) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let [byte] = reader.take::<1>().ok()?;
        if shift == 63 && byte > 1 {
            return None;
        }
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_fields_of_every_width_are_walked_over() {
        let bytes =
            [0x08, 0x96, 0x01, 0x11, 1, 2, 3, 4, 5, 6, 7, 8, 0x1d, 1, 2, 3, 4, 0xca, 0xb8, 0x02, 0x00];
        assert_eq!(count(&bytes), Some(Counts { ids: 1, messages: 0 }));
    }

    #[test]
    fn a_group_is_not_recognised() {
        assert_eq!(count(&[0x0b, 0x0c]), None);
    }

    #[test]
    fn overlong_numbers_and_lengths_past_the_end_are_no_protobuf() {
        assert_eq!(count(&[0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02]), None);
        assert_eq!(count(&[0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]), None);
        assert_eq!(count(&[0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]), None);
        assert_eq!(count(&[0x08]), None);
    }
}
