//! Why text is no link.

use undertone_base::{FaultClass, Severity};

use crate::key_text::KeyTextError;
use crate::limits;

/// Why text is not a link that is read here.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// A name of a public chat that is empty, too long, a key, or has signs other than letters, digits, `-`, `_`
    /// and `.`.
    #[error("not a name of a public chat")]
    ChatName,
    /// A name that ENS cannot have, or one outside ASCII.
    #[error("not an ENS name in ASCII")]
    EnsName,
    /// A query or a fragment where none belongs, or a parameter twice.
    #[error("more in the link than its kind has")]
    Extra,
    /// Parts are missing, or no kind of link has these.
    #[error("not a form of a link")]
    Form,
    /// The id or name of a group is missing, too long, or not of its form.
    #[error("not an invitation to a group")]
    Group,
    /// Another scheme or another host.
    #[error("not a link of status")]
    Host,
    /// A key that is none.
    #[error(transparent)]
    Key(#[from] KeyTextError),
    /// A percent sign without two digits, or bytes that are no text.
    #[error("percent encoding does not give text")]
    Percent,
    /// Longer than any link.
    #[error("link is longer than {} bytes", limits::LINK_BYTES)]
    TooLong,
    /// A link to a community or its channel.
    #[error("links to communities are not supported")]
    Unsupported,
    /// Not `http` or `https`, or an address that shows something else than it opens.
    #[error("not a plain address of a web page")]
    WebUrl,
}

impl LinkError {
    /// Links come from outside: whoever sent or typed them.
    pub const fn fault(&self) -> FaultClass {
        FaultClass::peer(Severity::Mild)
    }

    /// Stable name of the reason.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::ChatName => "link.chat_name",
            Self::EnsName => "link.ens_name",
            Self::Extra => "link.extra",
            Self::Form => "link.form",
            Self::Group => "link.group",
            Self::Host => "link.host",
            Self::Key(error) => error.code(),
            Self::Percent => "link.percent",
            Self::TooLong => "link.too_long",
            Self::Unsupported => "link.unsupported",
            Self::WebUrl => "link.web_url",
        }
    }
}
