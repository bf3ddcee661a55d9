//! The envelope decoder: however the data is cut into pieces, the messages and the error are the same, and none is too large.

use bytes::Bytes;
use narthex_wire::envelope::Decoder;
use narthex_wire::{Code, Encoding};

/// The target.
pub fn run(data: &[u8]) {
    for encoding in ENCODINGS {
        let whole = decode(encoding, std::iter::once(data));
        assert!(whole.0.iter().all(|message| message.len() <= LIMIT));
        for size in [1, 7] {
            assert_eq!(decode(encoding, data.chunks(size)), whole, "{encoding:?} in pieces of {size}");
        }
    }
}

const LIMIT: usize = 2000;
const ENCODINGS: [Encoding; 5] =
    [Encoding::Identity, Encoding::Gzip, Encoding::Deflate, Encoding::Zstd, Encoding::Brotli];

/// The messages up to the end or the first error.
fn decode<'a>(encoding: Encoding, pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<Bytes>, Option<Code>) {
    let mut decoder = Decoder::new(encoding, LIMIT);
    let mut messages = Vec::new();
    for piece in pieces {
        decoder.push(Bytes::copy_from_slice(piece));
        loop {
            match decoder.next() {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => break,
                Err(error) => return (messages, Some(error.code())),
            }
        }
    }
    (messages, decoder.finish().err().map(|error| error.code()))
}
