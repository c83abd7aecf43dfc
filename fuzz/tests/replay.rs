//! Every target over its committed corpus and over seeded mutations of it, on stable Rust.

use std::path::{Path, PathBuf};

use undertone_fuzz::TARGETS;

/// Mutations of each seed; `UNDERTONE_SOAK` multiplies them.
const MUTATIONS: u64 = 64;

/// Inputs above this are not made: every limit that a target has is below it, or is tested with vectors.
const LONGEST: usize = 1 << 16;

macro_rules! replays {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            replay(stringify!($name), undertone_fuzz::$name);
        })*
    };
}
undertone_fuzz::for_each_target!(replays);

#[test]
fn every_seed_is_replayed() {
    let known: Vec<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
    for name in &known {
        assert!(!seeds(name).is_empty(), "corpus/{name} holds no seed");
        assert!(root().join(format!("fuzz_targets/{name}.rs")).exists(), "fuzz_targets/{name}.rs is missing");
    }
    for entry in std::fs::read_dir(root().join("corpus")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(known.contains(&name.as_str()), "corpus/{name} belongs to no target");
    }
}

fn replay(name: &str, target: fn(&[u8])) {
    let soak: u64 = std::env::var("UNDERTONE_SOAK").ok().and_then(|s| s.parse().ok()).unwrap_or(1);
    target(&[]);
    let seeds = seeds(name);
    assert!(!seeds.is_empty(), "corpus/{name} holds no seed");
    for (file, seed) in &seeds {
        target(seed);
        for round in 0..MUTATIONS * soak {
            let mut random = Random::new(&file.to_string_lossy(), round);
            let input = mutate(seed, &seeds, &mut random);
            // The harness prints this only when the target panics.
            println!("{name}: {} round {round}: {} bytes {:02x?}", file.display(), input.len(), head(&input));
            target(&input);
        }
    }
}

fn head(input: &[u8]) -> &[u8] {
    &input[..input.len().min(512)]
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The files of a corpus by name, so that every run goes through them in the same order.
fn seeds(name: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let Ok(entries) = std::fs::read_dir(root().join("corpus").join(name)) else { return Vec::new() };
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
        .into_iter()
        .map(|file| {
            let bytes = std::fs::read(&file).unwrap();
            (PathBuf::from(file.file_name().unwrap()), bytes)
        })
        .collect()
}

/// One to four small changes: what a fuzzer would try first.
fn mutate(seed: &[u8], seeds: &[(PathBuf, Vec<u8>)], random: &mut Random) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len() + 1);
        match random.below(8) {
            0 => bytes.truncate(at),
            1 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
            2 if at < bytes.len() => {
                bytes[at] = [0x00, 0x01, 0x7f, 0x80, 0xb7, 0xbf, 0xf7, 0xff][random.below(8)]
            }
            3 => bytes.insert(at, random.byte()),
            4 if at < bytes.len() => drop(bytes.remove(at)),
            5 => {
                let end = (at + random.below(32)).min(bytes.len());
                let copy = bytes[at..end].to_vec();
                bytes.splice(at..at, copy);
            }
            6 => {
                let other = &seeds[random.below(seeds.len())].1;
                bytes.truncate(at);
                bytes.extend_from_slice(&other[random.below(other.len() + 1)..]);
            }
            _ => bytes.extend((0..random.below(64)).map(|_| random.byte()).collect::<Vec<u8>>()),
        }
    }
    bytes.truncate(LONGEST);
    bytes
}

/// xorshift64*, seeded by file and round, so that a failure can be run again.
struct Random(u64);

impl Random {
    fn new(name: &str, round: u64) -> Self {
        let seed =
            name.bytes().fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3));
        Self((seed ^ round.wrapping_mul(0x9e37_79b9_7f4a_7c15)) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, end: usize) -> usize {
        if end == 0 { 0 } else { (self.next() % end as u64) as usize }
    }

    fn byte(&mut self) -> u8 {
        (self.next() >> 32) as u8
    }
}
