//! The trailers of a call's answer.
//!
//! Nearly all calls end with `grpc-status: 0` and nothing else, and most translations only want to know that: this end needs
//! no map until somebody sends it.

use std::ops::Deref;
use std::sync::LazyLock;

use http::HeaderMap;

use crate::code::Code;
use crate::names;

/// Trailers; their headers are read through [`Deref`]. One pointer wide.
#[derive(Clone, Debug)]
pub struct Trailers(Option<Box<HeaderMap>>);

/// What trailers without a map hold.
static OK: LazyLock<HeaderMap> = LazyLock::new(ok);

fn ok() -> HeaderMap {
    let mut map = HeaderMap::with_capacity(1);
    map.insert(&names::GRPC_STATUS, Code::Ok.to_header());
    map
}

impl Trailers {
    /// `grpc-status: 0`, and no metadata.
    pub const OK: Self = Self(None);

    /// Whether they are [`Trailers::OK`]; a map that says the same is not looked into.
    pub const fn is_plain_ok(&self) -> bool {
        self.0.is_none()
    }

    /// The headers, to be sent or changed.
    pub fn into_map(self) -> HeaderMap {
        self.0.map_or_else(ok, |map| *map)
    }
}

impl From<HeaderMap> for Trailers {
    fn from(map: HeaderMap) -> Self {
        Self(Some(Box::new(map)))
    }
}

impl Deref for Trailers {
    type Target = HeaderMap;

    fn deref(&self) -> &HeaderMap {
        self.0.as_deref().unwrap_or(&OK)
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn ok_reads_as_what_is_sent() {
        assert_eq!(*Trailers::OK, Trailers::OK.into_map());
        assert_eq!(Trailers::OK["grpc-status"], "0");
        assert_eq!(Trailers::OK.len(), 1);
        assert!(Trailers::OK.is_plain_ok());
    }

    #[test]
    fn a_map_stays_as_it_is() {
        let mut map = HeaderMap::new();
        map.insert("x-more", HeaderValue::from_static("1"));
        let trailers = Trailers::from(map.clone());
        assert!(!trailers.is_plain_ok());
        assert_eq!(*trailers, map);
        assert_eq!(trailers.into_map(), map);
    }
}
