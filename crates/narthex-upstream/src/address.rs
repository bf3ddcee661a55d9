//! Where an upstream is.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use http::Uri;
use http::uri::{Authority, Scheme};

/// An upstream's address: `http://HOST:PORT`, `https://HOST:PORT` or `unix:PATH`. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address(Arc<Inner>);

#[derive(Debug, PartialEq, Eq)]
struct Inner {
    /// As it was given.
    text: String,
    place: Place,
    secure: bool,
    authority: Authority,
}

/// What to connect to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// The host is a name or an IP address, without brackets.
    Tcp(String, u16),
    Unix(PathBuf),
}

/// Why a text is no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// It has none of the forms.
    #[error("is not the address of a server")]
    Malformed,
    /// A scheme of another kind.
    #[error("has a scheme that gRPC is not spoken by")]
    Scheme,
    /// It names more than a server.
    #[error(
        "is more than the address of a server: gRPC has no paths below which it could be mounted, and no user names"
    )]
    More,
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if let Some(path) = text.strip_prefix("unix:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            if path.is_empty() {
                return Err(AddressError::Malformed);
            }
            // What grpc's own clients say of a UNIX socket.
            let authority = Authority::from_static("localhost");
            return Ok(Self::new(text, Place::Unix(PathBuf::from(path)), false, authority));
        }
        let uri: Uri = text.parse().map_err(|_| AddressError::Malformed)?;
        let (scheme, authority) = uri.scheme().zip(uri.authority()).ok_or(AddressError::Malformed)?;
        let secure = match scheme.as_str() {
            "http" => false,
            "https" => true,
            _ => return Err(AddressError::Scheme),
        };
        if authority.as_str().contains('@') || uri.path() != "/" || uri.query().is_some() {
            return Err(AddressError::More);
        }
        let port = match authority.as_str().strip_prefix(authority.host()).unwrap_or_default() {
            "" if secure => 443,
            "" => 80,
            port => port.trim_start_matches(':').parse().map_err(|_| AddressError::Malformed)?,
        };
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() {
            return Err(AddressError::Malformed);
        }
        Ok(Self::new(text, Place::Tcp(host.to_owned(), port), secure, authority.clone()))
    }
}

impl Address {
    fn new(text: &str, place: Place, secure: bool, authority: Authority) -> Self {
        Self(Arc::new(Inner { text: text.to_owned(), place, secure, authority }))
    }

    /// Whether TLS is spoken there.
    pub fn is_secure(&self) -> bool {
        self.0.secure
    }

    /// The UNIX socket's file, if it is one.
    pub fn unix_path(&self) -> Option<&Path> {
        match &self.0.place {
            Place::Unix(path) => Some(path),
            Place::Tcp(..) => None,
        }
    }

    pub(crate) fn place(&self) -> &Place {
        &self.0.place
    }

    pub(crate) fn authority(&self) -> &Authority {
        &self.0.authority
    }

    pub(crate) fn scheme(&self) -> Scheme {
        if self.0.secure { Scheme::HTTPS } else { Scheme::HTTP }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: Result<(&str, u16, bool, &str), AddressError>) {
        let found = text.parse::<Address>();
        let found = found.as_ref().map(|address| {
            let Place::Tcp(host, port) = address.place() else { panic!("{text} is TCP") };
            (host.as_str(), *port, address.is_secure(), address.authority().as_str())
        });
        assert_eq!(found, expect.as_ref().copied(), "{text}");
    }

    #[test]
    fn addresses_of_hosts() {
        check("http://shop:50051", Ok(("shop", 50051, false, "shop:50051")));
        check("http://shop:50051/", Ok(("shop", 50051, false, "shop:50051")));
        check("https://shop.example", Ok(("shop.example", 443, true, "shop.example")));
        check("http://127.0.0.1", Ok(("127.0.0.1", 80, false, "127.0.0.1")));
        check("http://[::1]:7", Ok(("::1", 7, false, "[::1]:7")));
    }

    #[test]
    fn addresses_of_files() {
        for (text, path) in [("unix:/run/shop.sock", "/run/shop.sock"), ("unix:shop.sock", "shop.sock")] {
            let address: Address = text.parse().unwrap();
            assert_eq!(address.unix_path(), Some(Path::new(path)));
            assert_eq!((address.to_string().as_str(), address.authority().as_str()), (text, "localhost"));
        }
        assert_eq!(
            "unix:///run/shop.sock".parse::<Address>().unwrap().unix_path(),
            Some(Path::new("/run/shop.sock"))
        );
    }

    #[test]
    fn what_is_no_address() {
        for text in ["", "shop", "shop:50051", "http://", "unix:", "http://:80", "http://shop:99999"] {
            check(text, Err(AddressError::Malformed));
        }
        check("ftp://shop", Err(AddressError::Scheme));
        for text in ["http://shop/grpc", "http://shop/?a=b", "http://me@shop"] {
            check(text, Err(AddressError::More));
        }
    }
}
