//! Numbers on the wire that name something: unknown ones are kept.

/// Defines a newtype over `i32` with constants; `Debug` names the known ones.
macro_rules! wire_code {
    (
        $(#[$meta:meta])*
        pub struct $name:ident {
            $( $(#[$known_meta:meta])* $known:ident = $value:literal, )+
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub struct $name(i32);

        impl $name {
            $( $(#[$known_meta])* pub const $known: Self = Self($value); )+

            /// The number as it is on the wire, known or not.
            pub const fn from_wire(number: i32) -> Self {
                Self(number)
            }

            /// The number.
            pub const fn number(self) -> i32 {
                self.0
            }

            /// The name of the specification, if the number has one.
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $( $value => Some(stringify!($known)), )+
                    _ => None,
                }
            }
        }

        impl ::core::fmt::Debug for $name {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                match self.name() {
                    Some(name) => f.write_str(name),
                    None => write!(f, "{}({})", stringify!($name), self.0),
                }
            }
        }
    };
}

pub(crate) use wire_code;
