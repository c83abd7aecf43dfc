//! What is shown with the program `undertone`.

use std::path::PathBuf;

use crate::lab::Lab;

/// A case with the program, and its name.
pub(crate) type Case = (&'static str, fn(&Lab, &PathBuf));

pub(crate) const ALL: &[Case] = &[];

/// The program, when `cargo xtask nat` has built it.
pub(crate) fn binary() -> Option<PathBuf> {
    std::env::var_os("UNDERTONE_BIN").map(PathBuf::from)
}
