//! Message compression that we read: `grpc-encoding` of requests.
//!
//! What we send is never compressed, which every gRPC client accepts.

use std::io::Read;

use bytes::Bytes;
use flate2::bufread::{GzDecoder, ZlibDecoder};
use http::{HeaderMap, HeaderValue};

use crate::names::{GRPC_ACCEPT_ENCODING, GRPC_ENCODING};
use crate::status::Status;

/// What we put into `grpc-accept-encoding`.
pub const ACCEPT: &str = "identity,deflate,gzip";

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
}

impl Encoding {
    /// The encoding that the headers declare.
    ///
    /// # Errors
    ///
    /// `UNIMPLEMENTED` for one we do not know; the status carries `grpc-accept-encoding`, as gRPC asks.
    pub fn from_headers(headers: &HeaderMap) -> Result<Self, Status> {
        let Some(value) = headers.get(&GRPC_ENCODING) else { return Ok(Self::Identity) };
        match value.as_bytes() {
            b"identity" | b"" => Ok(Self::Identity),
            b"gzip" => Ok(Self::Gzip),
            b"deflate" => Ok(Self::Deflate),
            other => {
                let name = String::from_utf8_lossy(other);
                let mut status = Status::unimplemented(format!(
                    "grpc-encoding {name:?} is not supported; these are: {ACCEPT}"
                ));
                status.metadata_mut().insert(&GRPC_ACCEPT_ENCODING, HeaderValue::from_static(ACCEPT));
                Err(status)
            }
        }
    }

    /// Decompresses one message of at most `limit` bytes once decompressed.
    ///
    /// # Errors
    ///
    /// `RESOURCE_EXHAUSTED` over the limit, `INTERNAL` for data that is not of this encoding.
    pub fn decompress(self, data: Bytes, limit: usize) -> Result<Bytes, Status> {
        match self {
            Self::Identity => Ok(data),
            Self::Gzip => read_to_limit(GzDecoder::new(&*data), data.len(), limit),
            Self::Deflate => read_to_limit(ZlibDecoder::new(&*data), data.len(), limit),
        }
    }
}

fn read_to_limit(decoder: impl Read, compressed: usize, limit: usize) -> Result<Bytes, Status> {
    // A guess of the size, so that what is small costs one allocation and what claims much gets it only by being much.
    let mut message = Vec::with_capacity(compressed.saturating_mul(2).min(limit));
    decoder.take((limit as u64).saturating_add(1)).read_to_end(&mut message).map_err(|error| {
        Status::internal(format!("a compressed message could not be decompressed: {error}"))
    })?;
    if message.len() > limit {
        return Err(Status::resource_exhausted(format!(
            "a message is larger than the limit of {limit} bytes once decompressed"
        )));
    }
    Ok(message.into())
}
