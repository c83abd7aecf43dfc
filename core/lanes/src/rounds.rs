//! The permutation of FIPS 202, written once for words and for vectors of any width.
//!
//! A module that expands these macros defines what one vector is: `load`, `store`, `splat`, `xor`, `xor3`, `chi`,
//! `rol::<LEFT, RIGHT>` (`LEFT + RIGHT` is 64) and, for a search, `rol_by`. State and block hold a word of every lane
//! beside each other, so that a vector is that word of all of them. In a register word `x + 5y`, lane `A[x, y]` of the
//! standard, is `a[y][x]`.

/// The constants of ι (FIPS 202, 3.2.5).
pub(crate) static ROUND_CONSTANTS: [u64; 24] = [
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

/// θ (FIPS 202, 3.2.1): what it adds to each column.
macro_rules! theta {
    ($a:ident) => {{
        let c0 = xor3(xor3($a[0][0], $a[1][0], $a[2][0]), $a[3][0], $a[4][0]);
        let c1 = xor3(xor3($a[0][1], $a[1][1], $a[2][1]), $a[3][1], $a[4][1]);
        let c2 = xor3(xor3($a[0][2], $a[1][2], $a[2][2]), $a[3][2], $a[4][2]);
        let c3 = xor3(xor3($a[0][3], $a[1][3], $a[2][3]), $a[3][3], $a[4][3]);
        let c4 = xor3(xor3($a[0][4], $a[1][4], $a[2][4]), $a[3][4], $a[4][4]);
        [
            xor(c4, rol::<1, 63>(c1)),
            xor(c0, rol::<1, 63>(c2)),
            xor(c1, rol::<1, 63>(c3)),
            xor(c2, rol::<1, 63>(c4)),
            xor(c3, rol::<1, 63>(c0)),
        ]
    }};
}

/// ρ and π (FIPS 202, 3.2.2 and 3.2.3) of a state to whose columns `d` is added; each row of what comes out goes through
/// `$row`. Row by row few words are alive at a time, which is what 16 registers can hold.
macro_rules! rows {
    ($a:ident, $d:ident, $row:ident) => {
        [
            $row!(
                xor($a[0][0], $d[0]),
                rol::<44, 20>(xor($a[1][1], $d[1])),
                rol::<43, 21>(xor($a[2][2], $d[2])),
                rol::<21, 43>(xor($a[3][3], $d[3])),
                rol::<14, 50>(xor($a[4][4], $d[4]))
            ),
            $row!(
                rol::<28, 36>(xor($a[0][3], $d[3])),
                rol::<20, 44>(xor($a[1][4], $d[4])),
                rol::<3, 61>(xor($a[2][0], $d[0])),
                rol::<45, 19>(xor($a[3][1], $d[1])),
                rol::<61, 3>(xor($a[4][2], $d[2]))
            ),
            $row!(
                rol::<1, 63>(xor($a[0][1], $d[1])),
                rol::<6, 58>(xor($a[1][2], $d[2])),
                rol::<25, 39>(xor($a[2][3], $d[3])),
                rol::<8, 56>(xor($a[3][4], $d[4])),
                rol::<18, 46>(xor($a[4][0], $d[0]))
            ),
            $row!(
                rol::<27, 37>(xor($a[0][4], $d[4])),
                rol::<36, 28>(xor($a[1][0], $d[0])),
                rol::<10, 54>(xor($a[2][1], $d[1])),
                rol::<15, 49>(xor($a[3][2], $d[2])),
                rol::<56, 8>(xor($a[4][3], $d[3]))
            ),
            $row!(
                rol::<62, 2>(xor($a[0][2], $d[2])),
                rol::<55, 9>(xor($a[1][3], $d[3])),
                rol::<39, 25>(xor($a[2][4], $d[4])),
                rol::<41, 23>(xor($a[3][0], $d[0])),
                rol::<2, 62>(xor($a[4][1], $d[1]))
            ),
        ]
    };
}

/// A row as it is.
macro_rules! plain {
    ($($b:expr),+) => {
        [$($b),+]
    };
}

/// χ of a row (FIPS 202, 3.2.4).
macro_rules! chi_row {
    ($($b:expr),+) => {{
        let [b0, b1, b2, b3, b4] = [$($b),+];
        [chi(b0, b1, b2), chi(b1, b2, b3), chi(b2, b3, b4), chi(b3, b4, b0), chi(b4, b0, b1)]
    }};
}

/// One round, with ι (FIPS 202, 3.2.5) at its end.
macro_rules! round {
    ($a:ident, $constant:expr) => {{
        let d = theta!($a);
        let mut out = rows!($a, d, chi_row);
        out[0][0] = xor(out[0][0], splat($constant));
        out
    }};
}

/// A state in vectors.
macro_rules! loaded {
    ($from:expr) => {
        [
            [load($from[0]), load($from[1]), load($from[2]), load($from[3]), load($from[4])],
            [load($from[5]), load($from[6]), load($from[7]), load($from[8]), load($from[9])],
            [load($from[10]), load($from[11]), load($from[12]), load($from[13]), load($from[14])],
            [load($from[15]), load($from[16]), load($from[17]), load($from[18]), load($from[19])],
            [load($from[20]), load($from[21]), load($from[22]), load($from[23]), load($from[24])],
        ]
    };
}

/// A state of vectors as a state of words.
macro_rules! stored {
    ($a:ident) => {
        [
            store($a[0][0]),
            store($a[0][1]),
            store($a[0][2]),
            store($a[0][3]),
            store($a[0][4]),
            store($a[1][0]),
            store($a[1][1]),
            store($a[1][2]),
            store($a[1][3]),
            store($a[1][4]),
            store($a[2][0]),
            store($a[2][1]),
            store($a[2][2]),
            store($a[2][3]),
            store($a[2][4]),
            store($a[3][0]),
            store($a[3][1]),
            store($a[3][2]),
            store($a[3][3]),
            store($a[3][4]),
            store($a[4][0]),
            store($a[4][1]),
            store($a[4][2]),
            store($a[4][3]),
            store($a[4][4]),
        ]
    };
}

/// Adds a block of 17 words to a state.
macro_rules! add_block {
    ($a:ident, $block:expr) => {
        $a[0][0] = xor($a[0][0], load($block[0]));
        $a[0][1] = xor($a[0][1], load($block[1]));
        $a[0][2] = xor($a[0][2], load($block[2]));
        $a[0][3] = xor($a[0][3], load($block[3]));
        $a[0][4] = xor($a[0][4], load($block[4]));
        $a[1][0] = xor($a[1][0], load($block[5]));
        $a[1][1] = xor($a[1][1], load($block[6]));
        $a[1][2] = xor($a[1][2], load($block[7]));
        $a[1][3] = xor($a[1][3], load($block[8]));
        $a[1][4] = xor($a[1][4], load($block[9]));
        $a[2][0] = xor($a[2][0], load($block[10]));
        $a[2][1] = xor($a[2][1], load($block[11]));
        $a[2][2] = xor($a[2][2], load($block[12]));
        $a[2][3] = xor($a[2][3], load($block[13]));
        $a[2][4] = xor($a[2][4], load($block[14]));
        $a[3][0] = xor($a[3][0], load($block[15]));
        $a[3][1] = xor($a[3][1], load($block[16]));
    };
}

/// Body of `Permute::absorb`.
macro_rules! absorb {
    ($from:ident, $block:ident, $to:ident) => {{
        let mut a = loaded!($from.0);
        add_block!(a, $block.0);
        for [one, two] in ROUND_CONSTANTS.as_chunks().0 {
            a = round!(a, *one);
            a = round!(a, *two);
        }
        $to.0 = stored!(a);
    }};
}

/// Body of `Permute::first_words`.
macro_rules! first_words {
    ($half:ident, $open:ident) => {{
        let [first, middle @ .., last] = &ROUND_CONSTANTS;
        let open = load($open);
        for flip in &$half.flips {
            if let Some(word) = $half.words.0.get_mut(flip.word) {
                *word = store(xor(load(flip.fixed), rol_by(open, flip.left)));
            }
        }
        let mut a = loaded!($half.words.0).map(|[b0, b1, b2, b3, b4]| chi_row!(b0, b1, b2, b3, b4));
        a[0][0] = xor(a[0][0], splat(*first));
        for [one, two] in middle.as_chunks().0 {
            a = round!(a, *one);
            a = round!(a, *two);
        }
        let d = theta!(a);
        let b0 = xor(a[0][0], d[0]);
        let b1 = rol::<44, 20>(xor(a[1][1], d[1]));
        let b2 = rol::<43, 21>(xor(a[2][2], d[2]));
        store(xor(chi(b0, b1, b2), splat(*last)))
    }};
}

/// ρ and π of a state, with what θ adds to its columns.
macro_rules! linear {
    ($a:ident) => {{
        let d = theta!($a);
        rows!($a, d, plain)
    }};
}

pub(crate) use {absorb, add_block, chi_row, first_words, linear, loaded, plain, round, rows, stored, theta};
