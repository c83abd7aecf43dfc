//! Where to ask.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use undertone_base::FaultClass;
use ureq::http::Uri;

use crate::limits::MAX_ENDPOINT;

/// Why a text is not an endpoint that may be asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EndpointError {
    /// Plain HTTP to another machine: whoever is between could answer.
    #[error("http goes to this machine only; another needs https")]
    Insecure,
    /// No URL with a host.
    #[error("not a URL with a host")]
    NoUrl,
    /// Another scheme.
    #[error("neither https nor http")]
    Scheme,
    /// Longer than [`MAX_ENDPOINT`].
    #[error("longer than {MAX_ENDPOINT} bytes")]
    TooLong,
    /// A name or password before the host.
    #[error("a name or password before the host is not supported")]
    UserInfo,
}

impl EndpointError {
    /// Whoever configured it.
    pub const fn fault(&self) -> FaultClass {
        FaultClass::Caller
    }

    /// Stable name of the reason.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Insecure => "ens.endpoint_insecure",
            Self::NoUrl => "ens.endpoint_no_url",
            Self::Scheme => "ens.endpoint_scheme",
            Self::TooLong => "ens.endpoint_too_long",
            Self::UserInfo => "ens.endpoint_user_info",
        }
    }
}

/// The URL of an Ethereum JSON-RPC endpoint: `https` anywhere, `http` on this machine only.
///
/// Path and query of a provider's URL are a secret of the person; neither `Display` nor `Debug` shows them.
///
/// ```
/// use undertone_ens::{Endpoint, EndpointError};
/// let endpoint: Endpoint = "https://node.example:8545/v3/secret".parse()?;
/// assert_eq!(endpoint.to_string(), "https://node.example:8545/…");
/// assert_eq!("http://node.example".parse::<Endpoint>(), Err(EndpointError::Insecure));
/// # Ok::<(), EndpointError>(())
/// ```
#[derive(Clone, Eq, PartialEq)]
pub struct Endpoint(Uri);

impl Endpoint {
    pub(crate) const fn uri(&self) -> &Uri {
        &self.0
    }
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        if text.len() > MAX_ENDPOINT {
            return Err(EndpointError::TooLong);
        }
        let uri: Uri = text.trim().parse().map_err(|_| EndpointError::NoUrl)?;
        let authority = uri.authority().ok_or(EndpointError::NoUrl)?;
        if authority.as_str().contains('@') {
            return Err(EndpointError::UserInfo);
        }
        let host = authority.host();
        if host.is_empty() {
            return Err(EndpointError::NoUrl);
        }
        match uri.scheme_str() {
            Some("https") => {}
            Some("http") if is_loopback(host) => {}
            Some("http") => return Err(EndpointError::Insecure),
            Some(_) => return Err(EndpointError::Scheme),
            None => return Err(EndpointError::NoUrl),
        }
        Ok(Self(uri))
    }
}

/// The name `localhost` never leaves the machine (RFC 6761 6.3); any other name may.
fn is_loopback(host: &str) -> bool {
    let literal = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
    host.eq_ignore_ascii_case("localhost") || literal.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = self.0.scheme_str().unwrap_or_default();
        let authority = self.0.authority().map(|a| a.as_str()).unwrap_or_default();
        write!(f, "{scheme}://{authority}")?;
        let more = self.0.path_and_query().is_some_and(|p| p.as_str().len() > 1);
        f.write_str(if more { "/…" } else { "" })
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_asked_and_what_not() {
        for fine in [
            "https://node.example",
            "https://127.0.0.1:1/x",
            "http://127.0.0.1:8545",
            "http://127.9.9.9",
            "http://[::1]:8545/",
            "http://localhost:8545",
            " http://LOCALHOST ",
        ] {
            assert!(fine.parse::<Endpoint>().is_ok(), "{fine}");
        }
        let long = format!("https://node.example/{}", "a".repeat(MAX_ENDPOINT));
        for (bad, why) in [
            ("http://node.example", EndpointError::Insecure),
            ("http://localhost.example", EndpointError::Insecure),
            ("http://127.0.0.1.example", EndpointError::Insecure),
            ("http://10.0.0.1:8545", EndpointError::Insecure),
            ("http://[::2]", EndpointError::Insecure),
            ("http://0.0.0.0", EndpointError::Insecure),
            ("ws://127.0.0.1", EndpointError::Scheme),
            ("file:///tmp/x", EndpointError::NoUrl),
            ("node.example", EndpointError::NoUrl),
            ("", EndpointError::NoUrl),
            ("https://", EndpointError::NoUrl),
            ("https://me:secret@node.example", EndpointError::UserInfo),
            ("http://127.0.0.1@node.example", EndpointError::UserInfo),
            (&long, EndpointError::TooLong),
        ] {
            assert_eq!(bad.parse::<Endpoint>(), Err(why), "{bad}");
        }
    }

    #[test]
    fn a_providers_key_is_never_shown() {
        for url in ["https://node.example/v3/0123456789", "https://node.example?key=0123456789"] {
            let endpoint: Endpoint = url.parse().unwrap();
            for shown in [format!("{endpoint}"), format!("{endpoint:?}"), format!("{endpoint:#?}")] {
                assert!(shown.contains("node.example") && !shown.contains("0123"), "{shown}");
            }
        }
    }
}
