//! The permutation of FIPS 202, written once for vectors of any width.
//!
//! A module that expands these macros defines what one vector is: `load`, `store`, `splat`, `xor`, `xor3`, `chi` and
//! `rol::<LEFT, RIGHT>` (`LEFT + RIGHT` is 64). State and block hold a word of every lane beside each other, so that a
//! vector is that word of all of them.

/// The constants of ι (FIPS 202, 3.2.5).
pub(crate) const ROUND_CONSTANTS: [u64; 24] = [
    0x0000_0000_0000_0001,
    0x0000_0000_0000_8082,
    0x8000_0000_0000_808a,
    0x8000_0000_8000_8000,
    0x0000_0000_0000_808b,
    0x0000_0000_8000_0001,
    0x8000_0000_8000_8081,
    0x8000_0000_0000_8009,
    0x0000_0000_0000_008a,
    0x0000_0000_0000_0088,
    0x0000_0000_8000_8009,
    0x0000_0000_8000_000a,
    0x0000_0000_8000_808b,
    0x8000_0000_0000_008b,
    0x8000_0000_0000_8089,
    0x8000_0000_0000_8003,
    0x8000_0000_0000_8002,
    0x8000_0000_0000_0080,
    0x0000_0000_0000_800a,
    0x8000_0000_8000_000a,
    0x8000_0000_8000_8081,
    0x8000_0000_0000_8080,
    0x0000_0000_8000_0001,
    0x8000_0000_8000_8008,
];

/// One round (FIPS 202, 3.2.1 to 3.2.5): θ, ρ and π together, χ, ι. Word `x + 5y` is lane `A[x, y]` of the standard.
macro_rules! round {
    ($a:ident, $constant:expr) => {{
        let c0 = xor3(xor3($a[0], $a[5], $a[10]), $a[15], $a[20]);
        let c1 = xor3(xor3($a[1], $a[6], $a[11]), $a[16], $a[21]);
        let c2 = xor3(xor3($a[2], $a[7], $a[12]), $a[17], $a[22]);
        let c3 = xor3(xor3($a[3], $a[8], $a[13]), $a[18], $a[23]);
        let c4 = xor3(xor3($a[4], $a[9], $a[14]), $a[19], $a[24]);
        let d0 = xor(c4, rol::<1, 63>(c1));
        let d1 = xor(c0, rol::<1, 63>(c2));
        let d2 = xor(c1, rol::<1, 63>(c3));
        let d3 = xor(c2, rol::<1, 63>(c4));
        let d4 = xor(c3, rol::<1, 63>(c0));
        let b0 = xor($a[0], d0);
        let b1 = rol::<44, 20>(xor($a[6], d1));
        let b2 = rol::<43, 21>(xor($a[12], d2));
        let b3 = rol::<21, 43>(xor($a[18], d3));
        let b4 = rol::<14, 50>(xor($a[24], d4));
        let b5 = rol::<28, 36>(xor($a[3], d3));
        let b6 = rol::<20, 44>(xor($a[9], d4));
        let b7 = rol::<3, 61>(xor($a[10], d0));
        let b8 = rol::<45, 19>(xor($a[16], d1));
        let b9 = rol::<61, 3>(xor($a[22], d2));
        let b10 = rol::<1, 63>(xor($a[1], d1));
        let b11 = rol::<6, 58>(xor($a[7], d2));
        let b12 = rol::<25, 39>(xor($a[13], d3));
        let b13 = rol::<8, 56>(xor($a[19], d4));
        let b14 = rol::<18, 46>(xor($a[20], d0));
        let b15 = rol::<27, 37>(xor($a[4], d4));
        let b16 = rol::<36, 28>(xor($a[5], d0));
        let b17 = rol::<10, 54>(xor($a[11], d1));
        let b18 = rol::<15, 49>(xor($a[17], d2));
        let b19 = rol::<56, 8>(xor($a[23], d3));
        let b20 = rol::<62, 2>(xor($a[2], d2));
        let b21 = rol::<55, 9>(xor($a[8], d3));
        let b22 = rol::<39, 25>(xor($a[14], d4));
        let b23 = rol::<41, 23>(xor($a[15], d0));
        let b24 = rol::<2, 62>(xor($a[21], d1));
        [
            xor(chi(b0, b1, b2), splat($constant)),
            chi(b1, b2, b3),
            chi(b2, b3, b4),
            chi(b3, b4, b0),
            chi(b4, b0, b1),
            chi(b5, b6, b7),
            chi(b6, b7, b8),
            chi(b7, b8, b9),
            chi(b8, b9, b5),
            chi(b9, b5, b6),
            chi(b10, b11, b12),
            chi(b11, b12, b13),
            chi(b12, b13, b14),
            chi(b13, b14, b10),
            chi(b14, b10, b11),
            chi(b15, b16, b17),
            chi(b16, b17, b18),
            chi(b17, b18, b19),
            chi(b18, b19, b15),
            chi(b19, b15, b16),
            chi(b20, b21, b22),
            chi(b21, b22, b23),
            chi(b22, b23, b24),
            chi(b23, b24, b20),
            chi(b24, b20, b21),
        ]
    }};
}

/// The state with a block of 17 words added to it.
macro_rules! add_block {
    ($from:expr, $block:expr) => {
        [
            xor(load($from[0]), load($block[0])),
            xor(load($from[1]), load($block[1])),
            xor(load($from[2]), load($block[2])),
            xor(load($from[3]), load($block[3])),
            xor(load($from[4]), load($block[4])),
            xor(load($from[5]), load($block[5])),
            xor(load($from[6]), load($block[6])),
            xor(load($from[7]), load($block[7])),
            xor(load($from[8]), load($block[8])),
            xor(load($from[9]), load($block[9])),
            xor(load($from[10]), load($block[10])),
            xor(load($from[11]), load($block[11])),
            xor(load($from[12]), load($block[12])),
            xor(load($from[13]), load($block[13])),
            xor(load($from[14]), load($block[14])),
            xor(load($from[15]), load($block[15])),
            xor(load($from[16]), load($block[16])),
            load($from[17]),
            load($from[18]),
            load($from[19]),
            load($from[20]),
            load($from[21]),
            load($from[22]),
            load($from[23]),
            load($from[24]),
        ]
    };
}

/// A state of vectors as a state of words.
macro_rules! stored {
    ($a:ident) => {
        [
            store($a[0]),
            store($a[1]),
            store($a[2]),
            store($a[3]),
            store($a[4]),
            store($a[5]),
            store($a[6]),
            store($a[7]),
            store($a[8]),
            store($a[9]),
            store($a[10]),
            store($a[11]),
            store($a[12]),
            store($a[13]),
            store($a[14]),
            store($a[15]),
            store($a[16]),
            store($a[17]),
            store($a[18]),
            store($a[19]),
            store($a[20]),
            store($a[21]),
            store($a[22]),
            store($a[23]),
            store($a[24]),
        ]
    };
}

pub(crate) use {add_block, round, stored};
