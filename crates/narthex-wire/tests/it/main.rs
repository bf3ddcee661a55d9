//! The crate's contract: bodies, status, envelopes, unary calls, metadata.

mod body;
mod envelope;
mod metadata;
mod status;
mod unary;

use std::io::Write as _;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use futures_util::FutureExt as _;
use http_body::Frame;
use http_body_util::StreamBody;
use narthex_wire::{Body, BoxError};

/// Runs a future that has nothing to wait for.
fn now<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().expect("every test body is ready")
}

/// A body of these frames.
fn frames(frames: Vec<Result<Frame<Bytes>, BoxError>>) -> Body {
    Body::new(StreamBody::new(futures_util::stream::iter(frames)))
}

/// A body of these pieces of data.
fn pieces<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Body {
    frames(pieces.into_iter().map(|piece| Ok(Frame::data(Bytes::copy_from_slice(piece)))).collect())
}

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(data).expect("a Vec takes everything");
    encoder.finish().expect("a Vec takes everything")
}

fn zlib(data: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(data).expect("a Vec takes everything");
    encoder.finish().expect("a Vec takes everything")
}

/// An envelope with any flag.
fn envelope(flag: u8, message: &[u8]) -> Vec<u8> {
    let mut bytes = vec![flag];
    bytes.extend_from_slice(&u32::try_from(message.len()).expect("a test message is small").to_be_bytes());
    bytes.extend_from_slice(message);
    bytes
}
