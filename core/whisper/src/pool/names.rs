//! Where an envelope is, by its name: a table without order, asked for every envelope of every packet.

use super::Slot;

/// Slots by four bytes of a name each; the rest of it is compared by whoever owns the slots.
///
/// Open addressing with a secret multiplier: names that share a prefix are cheap to make, but where they stand here nobody
/// outside knows, so a liar cannot line them up. Nothing depends on the order of the cells.
#[derive(Clone, Debug)]
pub(super) struct Names {
    /// A power of two of them, or none; [`NOBODY`] where there is no slot.
    cells: Vec<(u32, Slot)>,
    len: usize,
    multiplier: u64,
}

/// No slot.
const NOBODY: Slot = Slot::MAX;

/// Cells of the smallest table.
const FEWEST: usize = 64;

impl Names {
    /// Empty; the key is for this machine alone.
    pub(super) const fn new(key: u64) -> Self {
        Self { cells: Vec::new(), len: 0, multiplier: key | 1 }
    }

    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// The slots of names that begin like this, and maybe their own end.
    pub(super) fn find(&self, short: u32, is_it: impl Fn(Slot) -> bool) -> Option<Slot> {
        let mut at = self.home(short);
        loop {
            let (here, slot) = *self.cells.get(at)?;
            if slot == NOBODY {
                return None;
            }
            if here == short && is_it(slot) {
                return Some(slot);
            }
            at = self.next(at);
        }
    }

    /// Adds a slot that is not here.
    pub(super) fn insert(&mut self, short: u32, slot: Slot) {
        if 4 * (self.len + 1) > 3 * self.cells.len() {
            let cells = vec![(0, NOBODY); (2 * self.cells.len()).max(FEWEST)];
            for (short, slot) in std::mem::replace(&mut self.cells, cells) {
                if slot != NOBODY {
                    self.put(short, slot);
                }
            }
        }
        self.put(short, slot);
        self.len += 1;
    }

    fn put(&mut self, short: u32, slot: Slot) {
        let mut at = self.home(short);
        while self.cells.get(at).is_some_and(|(_, slot)| *slot != NOBODY) {
            at = self.next(at);
        }
        if let Some(cell) = self.cells.get_mut(at) {
            *cell = (short, slot);
        }
    }

    /// Takes a slot out, and moves those that stand behind it only because of it one nearer to where they belong.
    pub(super) fn remove(&mut self, short: u32, slot: Slot) {
        let mut hole = self.home(short);
        loop {
            match self.cells.get(hole) {
                Some((_, NOBODY)) | None => return,
                Some((_, here)) if *here == slot => break,
                Some(_) => hole = self.next(hole),
            }
        }
        self.len -= 1;
        let mut at = hole;
        loop {
            at = self.next(at);
            let cell = self.cells.get(at).copied().filter(|(_, slot)| *slot != NOBODY);
            let Some((short, _)) = cell else { break };
            // How far each is from its home, around the end.
            if self.distance(self.home(short), at) >= self.distance(hole, at) {
                self.cells.swap(hole, at);
                hole = at;
            }
        }
        if let Some(cell) = self.cells.get_mut(hole) {
            *cell = (0, NOBODY);
        }
    }

    /// Where a name belongs: the highest bits of the product.
    fn home(&self, short: u32) -> usize {
        let product = u64::from(short).wrapping_mul(self.multiplier) >> 32;
        usize::try_from(product).unwrap_or_default() & self.cells.len().wrapping_sub(1)
    }

    const fn next(&self, at: usize) -> usize {
        (at + 1) & self.cells.len().wrapping_sub(1)
    }

    const fn distance(&self, from: usize, to: usize) -> usize {
        to.wrapping_sub(from) & self.cells.len().wrapping_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn names_are_those_of_a_set(key: u64, ops in prop::collection::vec((0u32..40, 0u32..300, any::<bool>()), 0..2_000)) {
            let (mut names, mut set) = (Names::new(key), BTreeSet::new());
            for (short, slot, add) in ops {
                // Few prefixes, so that many slots share one.
                let slot = slot * 40 + short;
                if add && set.insert((short, slot)) {
                    names.insert(short, slot);
                } else if !add {
                    set.remove(&(short, slot));
                    names.remove(short, slot);
                }
                prop_assert_eq!(names.len(), set.len());
            }
            for short in 0..40 {
                for slot in (0..300).map(|slot| slot * 40 + short) {
                    prop_assert_eq!(names.find(short, |here| here == slot).is_some(), set.contains(&(short, slot)));
                }
            }
        }
    }

    #[test]
    fn nothing_is_found_in_an_empty_table() {
        let mut names = Names::new(0);
        assert_eq!(names.find(7, |_| true), None);
        names.remove(7, 7);
        names.insert(7, 7);
        names.remove(7, 7);
        assert_eq!((names.find(7, |_| true), names.len()), (None, 0));
    }
}
