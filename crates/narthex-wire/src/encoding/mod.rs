//! How messages are compressed: the encodings there are, and which of them a peer names or accepts.
//!
//! gRPC, gRPC-Web and Connect know them by the same names as HTTP. It is *not* where it is decided whether a response is
//! compressed: that is the servicer's, or the option's.

mod codec;
mod stream;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::names::{GRPC_ACCEPT_ENCODING, GRPC_ENCODING};
use crate::protocol::weighted;
use crate::status::Status;

pub use stream::Undecodable;

/// How messages whose compressed flag is set are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// Not at all: such a message is an error.
    #[default]
    Identity,
    /// gzip, RFC 1952.
    Gzip,
    /// zlib, RFC 1950, which HTTP and gRPC call deflate.
    Deflate,
    /// Zstandard, RFC 8878.
    Zstd,
    /// Brotli, RFC 7932, which HTTP calls br.
    Brotli,
}

impl Encoding {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Identity, Self::Gzip, Self::Deflate, Self::Zstd, Self::Brotli];

    /// Its name in headers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
            Self::Zstd => "zstd",
            Self::Brotli => "br",
        }
    }

    /// The encoding of this name, if it is one of ours.
    pub fn from_name(name: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|encoding| encoding.name().as_bytes().eq_ignore_ascii_case(name))
    }

    /// Its name as the value of a header.
    pub const fn to_header(self) -> HeaderValue {
        HeaderValue::from_static(self.name())
    }

    /// The encoding that `grpc-encoding` declares.
    ///
    /// # Errors
    ///
    /// Those of [`Enabled::declared`], for a server that reads all of ours.
    pub fn from_headers(headers: &HeaderMap) -> Result<Self, Status> {
        Enabled::ALL.declared(headers)
    }

    /// Decompresses one message of at most `limit` bytes once decompressed.
    ///
    /// # Errors
    ///
    /// `RESOURCE_EXHAUSTED` over the limit, `INTERNAL` for data that is not of this encoding.
    pub fn decompress(self, data: Bytes, limit: usize) -> Result<Bytes, Status> {
        if self == Self::Identity {
            return Ok(data);
        }
        let message = codec::decompress(self, &data, limit).map_err(|error| {
            Status::internal(format!("a message could not be decompressed as {}: {error}", self.name()))
        })?;
        if message.len() > limit {
            return Err(Status::resource_exhausted(format!(
                "a message is larger than the limit of {limit} bytes once decompressed"
            )));
        }
        Ok(message.into())
    }

    /// Compresses `message` behind what is in `out`.
    pub fn compress(self, message: &[u8], out: &mut Vec<u8>) {
        codec::compress(self, message, out);
    }
}

/// The encodings that a server reads and writes. `identity` is always one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Enabled(u8);

impl Enabled {
    /// Every one that we know.
    pub const ALL: Self = Self((1 << Encoding::ALL.len()) - 1);

    const fn bit(encoding: Encoding) -> u8 {
        1 << encoding as u8
    }

    /// Whether this one is read and written.
    pub const fn contains(self, encoding: Encoding) -> bool {
        self.0 & Self::bit(encoding) != 0
    }

    /// The encoding that the `grpc-encoding` of a request declares.
    ///
    /// # Errors
    ///
    /// `UNIMPLEMENTED` for one that is not enabled, or that we do not know; the status carries `grpc-accept-encoding`, as gRPC
    /// asks (doc/compression.md, "Compression Method Asymmetry Between Peers").
    pub fn declared(self, headers: &HeaderMap) -> Result<Encoding, Status> {
        let Some(value) = headers.get(&GRPC_ENCODING) else { return Ok(Encoding::Identity) };
        if value.is_empty() {
            return Ok(Encoding::Identity);
        }
        self.named(value.as_bytes())
    }

    /// The encoding of this name.
    ///
    /// # Errors
    ///
    /// Those of [`Enabled::declared`].
    pub fn named(self, name: &[u8]) -> Result<Encoding, Status> {
        let ours = Encoding::ALL.into_iter().filter(|encoding| self.contains(*encoding));
        let ours = || ours.clone().map(Encoding::name).collect::<Vec<_>>().join(",");
        let message = match Encoding::from_name(name) {
            Some(encoding) if self.contains(encoding) => return Ok(encoding),
            // In grpc's own words.
            Some(disabled) => format!("Compression algorithm '{}' is disabled.", disabled.name()),
            None => {
                let name = String::from_utf8_lossy(name);
                format!("compression {name:?} is not supported; these are: {}", ours())
            }
        };
        let accepted = HeaderValue::try_from(ours()).expect("the names of encodings are visible ASCII");
        let mut status = Status::unimplemented(message);
        status.metadata_mut().insert(&GRPC_ACCEPT_ENCODING, accepted);
        Err(status)
    }
}

impl FromIterator<Encoding> for Enabled {
    fn from_iter<I: IntoIterator<Item = Encoding>>(encodings: I) -> Self {
        let bits = encodings.into_iter().fold(0, |bits, encoding| bits | Self::bit(encoding));
        Self(bits | Self::bit(Encoding::Identity))
    }
}

/// The encodings that a peer can read, as a header of its says: `grpc-accept-encoding`, or HTTP's `accept-encoding`.
///
/// `identity` is always one of them: a server that has nothing better sends that, whatever the header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The weight of each of [`Encoding::ALL`], in thousandths; 0 is not accepted.
    weights: [u16; Encoding::ALL.len()],
}

impl Accepted {
    /// Reads all values of this header.
    ///
    /// Weights (`gzip;q=0.5`) and `*` are HTTP's, RFC 9110 12.5.3; gRPC's peers send neither.
    pub fn from_headers(headers: &HeaderMap, name: &HeaderName) -> Self {
        let mut weights = [None; Encoding::ALL.len()];
        let mut others = 0;
        for (name, weight) in weighted(headers, name) {
            match Encoding::from_name(name) {
                Some(encoding) => weights[encoding as usize] = Some(weight),
                None if name == b"*" => others = weight,
                None => {}
            }
        }
        Self { weights: weights.map(|weight| weight.unwrap_or(others)) }
    }

    /// Whether the peer can read this one.
    pub const fn contains(&self, encoding: Encoding) -> bool {
        matches!(encoding, Encoding::Identity) || self.weights[encoding as usize] > 0
    }

    /// The one that the peer likes best; of those it likes as well, the first that `ours` names. `Identity` if there is none.
    pub fn best_of(&self, ours: &[Encoding]) -> Encoding {
        let mut best = Encoding::Identity;
        let mut weight = 0;
        for encoding in ours {
            if self.weights[*encoding as usize] > weight {
                (best, weight) = (*encoding, self.weights[*encoding as usize]);
            }
        }
        best
    }
}

#[cfg(test)]
mod tests {
    use http::header::ACCEPT_ENCODING;

    use super::*;
    use crate::code::Code;

    fn accepted(value: &str) -> Accepted {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT_ENCODING, value.parse().unwrap());
        Accepted::from_headers(&headers, &ACCEPT_ENCODING)
    }

    #[test]
    fn every_name_is_read_back_and_offered() {
        for encoding in Encoding::ALL {
            assert_eq!(Encoding::from_name(encoding.name().as_bytes()), Some(encoding));
            assert_eq!(Encoding::ALL[encoding as usize], encoding);
            assert_eq!(Enabled::ALL.named(encoding.name().as_bytes()).unwrap(), encoding);
        }
        assert_eq!(Encoding::from_name(b"snappy"), None);
        assert_eq!(accept_of(Enabled::ALL, b"snappy"), "identity,gzip,deflate,zstd,br");
    }

    /// What a refusal of this name says is accepted.
    fn accept_of(enabled: Enabled, name: &[u8]) -> String {
        let status = enabled.named(name).unwrap_err();
        assert_eq!(status.code(), Code::Unimplemented);
        status.metadata()[&GRPC_ACCEPT_ENCODING].to_str().unwrap().to_owned()
    }

    #[test]
    fn what_is_not_enabled_is_refused() {
        let enabled = Enabled::from_iter([Encoding::Deflate]);
        assert_eq!(enabled.named(b"deflate").unwrap(), Encoding::Deflate);
        assert_eq!(enabled.named(b"identity").unwrap(), Encoding::Identity);
        assert_eq!(accept_of(enabled, b"gzip"), "identity,deflate");
        assert_eq!(accept_of(Enabled::from_iter([]), b"snappy"), "identity");
    }

    #[test]
    fn what_a_peer_likes_best() {
        const OURS: &[Encoding] = &[Encoding::Zstd, Encoding::Brotli, Encoding::Gzip];
        for (value, expect) in [
            ("", Encoding::Identity),
            ("identity", Encoding::Identity),
            ("snappy", Encoding::Identity),
            ("gzip, deflate, br, zstd", Encoding::Zstd),
            ("gzip, deflate", Encoding::Gzip),
            ("GZIP;q=0.9, br;q=0.5", Encoding::Gzip),
            ("gzip;q=0, br ; Q=0.001", Encoding::Brotli),
            ("zstd;q=0, *;q=0.5", Encoding::Brotli),
            ("gzip;q=2", Encoding::Gzip),
        ] {
            assert_eq!(accepted(value).best_of(OURS), expect, "{value}");
        }
        assert!(!accepted("gzip;q=0").contains(Encoding::Gzip));
        assert!(accepted("identity,gzip").contains(Encoding::Gzip));
        assert!(accepted("").contains(Encoding::Identity));
    }
}
