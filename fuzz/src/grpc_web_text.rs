//! A gRPC-Web body in text mode: where it is cut means nothing, and what it says can be said again.

use bytes::Bytes;
use narthex_grpc_web::decode::{Decoder, NotBase64};
use narthex_wire::metadata::encode_bin;

/// The target.
pub fn run(text: &[u8]) {
    let whole = decode(std::iter::once(text));
    for size in [1, 2, 3, 5] {
        assert_eq!(decode(text.chunks(size)), whole, "in pieces of {size}");
    }
    if let Ok(bytes) = whole {
        assert!(bytes.len() <= text.len() / 4 * 3 + 2);
        let again = encode_bin(&bytes);
        assert_eq!(decode(again.as_bytes().chunks(7)), Ok(bytes));
    }
}

fn decode<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Result<Bytes, NotBase64> {
    let mut decoder = Decoder::default();
    let mut bytes = Vec::new();
    for piece in pieces {
        bytes.extend(decoder.push(piece)?);
    }
    bytes.extend(decoder.finish()?);
    Ok(bytes.into())
}
