//! Topics and the bloom filters that hide them a little.

use undertone_base::fixed_bytes;
use undertone_crypto::keccak256;

fixed_bytes! {
    /// Four bytes on an envelope by which receivers find what may be theirs.
    pub struct Topic(4);
}

fixed_bytes! {
    /// 512 bits; bit `i` is bit `i mod 8` (least significant first) of byte `i / 8`.
    pub struct Bloom(64);
}

impl Topic {
    /// The topic of a name: the first four bytes of its Keccak-256 (Status convention).
    ///
    /// ```
    /// use undertone_whisper::Topic;
    /// assert_eq!(Topic::of("status").to_string(), "0xcd423760");
    /// ```
    pub fn of(name: &str) -> Self {
        let [a, b, c, d, ..] = keccak256(name.as_bytes());
        Self([a, b, c, d])
    }

    /// From a byte string of any length: cut, or filled with zeros on the right, as geth does.
    pub fn from_bytes_padded(bytes: &[u8]) -> Self {
        let mut out = [0; 4];
        out.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        Self(out)
    }

    /// The three bit numbers, 0..512, in order.
    fn indexes(self) -> [u16; 3] {
        let [a, b, c, high] = self.0;
        [(a, 1), (b, 2), (c, 4)].map(|(low, bit)| u16::from(low) | if high & bit == 0 { 0 } else { 256 })
    }
}

impl Bloom {
    /// No topic.
    pub const EMPTY: Self = Self([0; 64]);

    /// Every topic.
    pub const FULL: Self = Self([0xff; 64]);

    /// The bloom of an envelope for the decision to accept or forward it: geth's form.
    ///
    /// DEVIATION: EIP-627 sets three bits. geth and status-go assign the byte instead of OR-ing into it, so of two
    /// bits in one byte only the last survives. With the fewest bits an envelope fits filters of either kind
    /// (test `blooms_of_topics`).
    pub fn of_envelope(topic: Topic) -> Self {
        let mut out = Self::EMPTY;
        for (byte, bit) in topic.indexes().map(split) {
            if let Some(slot) = out.0.get_mut(byte) {
                *slot = bit;
            }
        }
        out
    }

    /// What a listener on `topic` advertises: all three bits, as EIP-627 says. It contains geth's form.
    pub fn of_listener(topic: Topic) -> Self {
        let mut out = Self::EMPTY;
        for (byte, bit) in topic.indexes().map(split) {
            if let Some(slot) = out.0.get_mut(byte) {
                *slot |= bit;
            }
        }
        out
    }

    /// Every bit of either.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let mut out = *self;
        out.0.iter_mut().zip(other.0).for_each(|(to, from)| *to |= from);
        out
    }

    /// Whether every bit of `sample` is set here too.
    pub fn contains(&self, sample: &Self) -> bool {
        self.0.iter().zip(sample.0).all(|(ours, theirs)| ours & theirs == theirs)
    }

    /// [`contains`](Self::contains)`(`[`of_envelope`](Self::of_envelope)`(topic))` without building it: this runs
    /// for each envelope and peer.
    pub fn wants(&self, topic: Topic) -> bool {
        let [a, b, c] = topic.indexes().map(split);
        let has = |(byte, bit): (usize, u8)| self.0.get(byte).is_some_and(|ours| ours & bit != 0);
        let hidden_a = a.0 == b.0 || a.0 == c.0;
        has(c) && (b.0 == c.0 || has(b)) && (hidden_a || has(a))
    }
}

/// The byte that bit `index` is in and its value there.
fn split(index: u16) -> (usize, u8) {
    (usize::from(index / 8), 1 << (index % 8))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use undertone_vectors::{Value, hex, hex_n, load};

    use super::*;

    #[test]
    fn blooms_of_topics() {
        let file = load("bloom_topics");
        let mut differ = 0;
        for case in file["topics"].as_array().unwrap() {
            let topic = Topic::from_bytes(hex_n(&case["topic"]));
            assert_eq!(Bloom::of_envelope(topic).as_bytes().to_vec(), hex(&case["geth_bloom"]));
            assert_eq!(Bloom::of_listener(topic).as_bytes().to_vec(), hex(&case["eip627_bloom"]));
            let indexes: Vec<u16> = serde_json::from_value(case["indexes_in_order"].clone()).unwrap();
            assert_eq!(topic.indexes().to_vec(), indexes);
            let differs = Bloom::of_envelope(topic) != Bloom::of_listener(topic);
            assert_eq!(differs, case["differs"].as_bool().unwrap());
            differ += usize::from(differs);
        }
        assert_eq!((file["topics"].as_array().unwrap().len(), differ), (14, 4));
    }

    #[test]
    fn blooms_match() {
        let file = load("bloom_topics");
        let cases = file["match"].as_array().unwrap();
        for case in cases {
            // No filter is a full one.
            let filter = Bloom::from_slice(&hex(&case["filter"])).unwrap_or(Bloom::FULL);
            let sample = Bloom::from_slice(&hex(&case["sample"])).unwrap();
            assert_eq!(filter.contains(&sample), case["match"].as_bool().unwrap(), "{}", case["name"]);
        }
        assert_eq!(cases.len(), 9);
    }

    #[test]
    fn topics_of_strings_and_bytes() {
        let file = load("bloom_topics");
        let mut cases = 0;
        for case in file["topic_from_string"].as_array().unwrap() {
            let topic = Topic::of(case["string"].as_str().unwrap());
            assert_eq!(topic.as_bytes().to_vec(), hex(&case["topic"]));
            cases += 1;
        }
        for case in file["bytes_to_topic"].as_array().unwrap() {
            let topic = Topic::from_bytes_padded(&hex(&case["input"]));
            assert_eq!(topic.as_bytes().to_vec(), hex(&case["topic"]));
            cases += 1;
        }
        for case in file["status_topics"]["topics"].as_array().unwrap() {
            let topic = Topic::of(case["string"].as_str().unwrap());
            assert_eq!(topic.as_bytes().to_vec(), hex(&case["topic"]), "{}", case["string"]);
            cases += 1;
        }
        assert_eq!(cases, 15);
    }

    #[test]
    fn topic_blooms_of_public_chats() {
        let file = load("topics_filters");
        let cases = file["public_chats"].as_array().unwrap();
        for case in cases {
            let topic = Topic::of(case["string"].as_str().unwrap());
            let want = |key: &str| -> Vec<u8> { hex(&Value::from(case[key].as_str().unwrap())) };
            assert_eq!(topic.as_bytes().to_vec(), want("topic"));
            assert_eq!(Bloom::of_envelope(topic).as_bytes().to_vec(), want("topic_bloom_64"));
        }
        assert_eq!(cases.len(), 14);
    }

    proptest! {
        #[test]
        fn the_quick_test_is_the_slow_one(topic: [u8; 4], other: [u8; 4], bits: Vec<u16>) {
            let topic = Topic::from_bytes(topic);
            let mut filter = Bloom::of_envelope(Topic::from_bytes(other));
            for bit in bits {
                let (byte, value) = split(bit % 512);
                filter.0[byte] |= value;
            }
            for filter in [filter, filter.union(&Bloom::of_envelope(topic)), Bloom::of_listener(topic)] {
                prop_assert_eq!(filter.wants(topic), filter.contains(&Bloom::of_envelope(topic)));
            }
            prop_assert!(Bloom::of_listener(topic).wants(topic));
        }
    }
}
