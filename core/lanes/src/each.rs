//! Many inputs, a few lanes.

use crate::backend::{Backend, Kind};
use crate::input::{Blocks, Input, Next};
use crate::permute::{Block, Permute, RATE, State};
use crate::scalar::Portable;

/// Keccak-256 of each input, on the best backend that this processor has. Hashes as many as there are places in `out`.
///
/// The longest are begun first and a lane that is done takes the next one, so lanes stand idle only at the very end.
///
/// ```
/// use undertone_lanes::{Input, keccak256_each};
/// let mut out = [[0; 32]; 2];
/// keccak256_each(&[Input::new(b""), Input::parts([b"st", b"at", b"us"])], &mut out);
/// assert_eq!(out[0][..4], [0xc5, 0xd2, 0x46, 0x01]);
/// assert_eq!(out[1][..4], [0xcd, 0x42, 0x37, 0x60]);
/// ```
pub fn keccak256_each(inputs: &[Input<'_>], out: &mut [[u8; 32]]) {
    Backend::best().keccak256_each(inputs, out);
}

impl Backend {
    /// [`keccak256_each`] on this backend.
    pub fn keccak256_each(self, inputs: &[Input<'_>], out: &mut [[u8; 32]]) {
        match self.0 {
            Kind::Portable => one_by_one(Portable, inputs, out),
            #[cfg(target_arch = "x86_64")]
            Kind::Bmi(backend) => one_by_one(backend, inputs, out),
            #[cfg(target_arch = "x86_64")]
            Kind::Sse2(_) | Kind::Avx2(_) if inputs.len() == 1 => {
                Self::one_lane().keccak256_each(inputs, out)
            }
            #[cfg(target_arch = "x86_64")]
            Kind::Sse2(backend) => in_lanes(backend, inputs, out),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2(backend) => in_lanes(backend, inputs, out),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512(backend) => in_lanes(backend, inputs, out),
        }
    }
}

fn one_by_one(backend: impl Permute<1>, inputs: &[Input<'_>], out: &mut [[u8; 32]]) {
    for (input, out) in inputs.iter().zip(out) {
        in_lanes(backend, std::slice::from_ref(input), std::slice::from_mut(out));
    }
}

/// What a lane works on.
struct Lane<'a> {
    blocks: Blocks<'a>,
    output: usize,
    ended: bool,
}

fn in_lanes<const N: usize>(backend: impl Permute<N>, inputs: &[Input<'_>], out: &mut [[u8; 32]]) {
    let mut waiting = longest_first(inputs).into_iter();
    let mut next = || {
        let output = waiting.next()?;
        let blocks = Blocks::of(inputs.get(output)?);
        Some(Lane { blocks, output, ended: false })
    };
    let mut lanes: [Option<Lane<'_>>; N] = std::array::from_fn(|_| next());
    let mut states = [State::ZERO, State::ZERO];
    let [mut from, mut to] = states.each_mut();
    let mut block = Block::ZERO;
    let mut room = [0; RATE];
    while lanes.iter().any(Option::is_some) {
        for (number, lane) in lanes.iter_mut().enumerate() {
            let Some(lane) = lane else { continue };
            match lane.blocks.next(&mut room) {
                Next::More(bytes) => block.put(number, bytes),
                Next::Last(bytes) => {
                    block.put(number, bytes);
                    lane.ended = true;
                }
            }
        }
        backend.absorb(from, &block, to);
        std::mem::swap(&mut from, &mut to);
        for (number, lane) in lanes.iter_mut().enumerate() {
            if let Some(done) = lane.take_if(|lane| lane.ended) {
                if let Some(out) = out.get_mut(done.output) {
                    *out = from.digest(number);
                }
                *lane = next();
                from.clear(number);
            }
        }
    }
}

/// Places of the inputs, those with most blocks first; equal ones in order.
fn longest_first(inputs: &[Input<'_>]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..inputs.len()).collect();
    let blocks = |place: &usize| inputs.get(*place).map_or(0, Input::blocks);
    order.sort_by_key(|place| std::cmp::Reverse(blocks(place)));
    order
}
