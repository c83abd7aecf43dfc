//! Which instructions are used.

use std::fmt;

#[cfg(target_arch = "x86_64")]
use crate::avx2::Avx2;
#[cfg(target_arch = "x86_64")]
use crate::avx512::Avx512;
#[cfg(target_arch = "x86_64")]
use crate::bmi::Bmi;
#[cfg(target_arch = "x86_64")]
use crate::sse2::Sse2;

/// A way to permute several states at once. A value exists only where the processor has its instructions.
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct Backend(pub(crate) Kind);

#[derive(Clone, Copy, Eq, PartialEq)]
pub(crate) enum Kind {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Bmi(Bmi),
    #[cfg(target_arch = "x86_64")]
    Sse2(Sse2),
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
    #[cfg(target_arch = "x86_64")]
    Avx512(Avx512),
}

impl Backend {
    /// The names of all backends, the slowest first.
    pub const NAMES: [&'static str; 5] = ["portable", "bmi", "sse2", "avx2", "avx512"];

    /// One lane, on every processor.
    pub const PORTABLE: Self = Self(Kind::Portable);

    /// The backend of this name; `None` when the processor has not the instructions, or there is no such backend.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "portable" => Some(Self::PORTABLE),
            #[cfg(target_arch = "x86_64")]
            "bmi" => Bmi::detect().map(|backend| Self(Kind::Bmi(backend))),
            #[cfg(target_arch = "x86_64")]
            "sse2" => Sse2::detect().map(|backend| Self(Kind::Sse2(backend))),
            #[cfg(target_arch = "x86_64")]
            "avx2" => Avx2::detect().map(|backend| Self(Kind::Avx2(backend))),
            #[cfg(target_arch = "x86_64")]
            "avx512" => Avx512::detect().map(|backend| Self(Kind::Avx512(backend))),
            _ => None,
        }
    }

    /// The fastest that this processor has.
    pub fn best() -> Self {
        Self::NAMES.iter().rev().find_map(|name| Self::named(name)).unwrap_or(Self::PORTABLE)
    }

    /// The fastest that this processor has for one state at a time.
    pub fn one_lane() -> Self {
        Self::named("bmi").unwrap_or(Self::PORTABLE)
    }

    /// Its name, one of [`Backend::NAMES`].
    pub const fn name(self) -> &'static str {
        match self.0 {
            Kind::Portable => "portable",
            #[cfg(target_arch = "x86_64")]
            Kind::Bmi(_) => "bmi",
            #[cfg(target_arch = "x86_64")]
            Kind::Sse2(_) => "sse2",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2(_) => "avx2",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512(_) => "avx512",
        }
    }

    /// States at once.
    pub const fn lanes(self) -> usize {
        match self.0 {
            Kind::Portable => 1,
            #[cfg(target_arch = "x86_64")]
            Kind::Bmi(_) => 1,
            #[cfg(target_arch = "x86_64")]
            Kind::Sse2(_) => 2,
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2(_) => 4,
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512(_) => 8,
        }
    }
}

impl fmt::Debug for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Backend({})", self.name())
    }
}
