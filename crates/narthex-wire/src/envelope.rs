//! The envelope around each message: one flag byte, the length as 32 bits big endian, the message.
//!
//! The boundaries of DATA frames mean nothing. It is *not* an HTTP/2 frame, and not protobuf.

use bytes::Bytes;

use crate::encoding::Encoding;
use crate::pieces::Pieces;
use crate::status::Status;

/// The length of what comes before a message.
pub const PREFIX: usize = 5;

/// The five bytes before a message of `len` bytes.
///
/// # Panics
///
/// If `len` does not fit 32 bits; protobuf messages end at 2 GiB.
pub fn prefix(len: usize, compressed: bool) -> [u8; PREFIX] {
    let [a, b, c, d] = u32::try_from(len).expect("a gRPC message is shorter than 4 GiB").to_be_bytes();
    [u8::from(compressed), a, b, c, d]
}

/// An uncompressed envelope holding a copy of the message.
pub fn encode(message: &[u8]) -> Bytes {
    let mut envelope = Vec::with_capacity(PREFIX + message.len());
    envelope.extend_from_slice(&prefix(message.len(), false));
    envelope.extend_from_slice(message);
    envelope.into()
}

/// An envelope holding the message compressed, or as it is where it is empty or would not become smaller.
pub fn encode_compressed(encoding: Encoding, message: &[u8]) -> Bytes {
    if encoding == Encoding::Identity || message.is_empty() {
        return encode(message);
    }
    let mut envelope = vec![0; PREFIX];
    encoding.compress(message, &mut envelope);
    let len = envelope.len() - PREFIX;
    if len >= message.len() {
        return encode(message);
    }
    envelope[..PREFIX].copy_from_slice(&prefix(len, true));
    envelope.into()
}

/// Writes the prefix into a buffer whose first five bytes were left for it, so that a message serialized straight
/// after them need not be copied.
///
/// # Panics
///
/// If the buffer is shorter than a prefix, or longer than 4 GiB.
pub fn seal(mut buffer: Vec<u8>) -> Bytes {
    let len = buffer.len().checked_sub(PREFIX).expect("the buffer starts with room for the prefix");
    buffer[..PREFIX].copy_from_slice(&prefix(len, false));
    buffer.into()
}

/// The first envelope in `data`, whose flag and message are given as they came; `data` keeps the rest. `None` if it is not whole.
pub fn split_first(data: &mut Bytes) -> Option<(u8, Bytes)> {
    let (&[flag, a, b, c, d], rest) = data.split_first_chunk::<PREFIX>()?;
    let len = u32::from_be_bytes([a, b, c, d]) as usize;
    if rest.len() < len {
        return None;
    }
    Some((flag, data.split_to(PREFIX + len).split_off(PREFIX)))
}

/// Takes DATA as it comes and gives whole messages, decompressed.
///
/// A message that lies within one piece of data is a slice of it. At most one message is held: a declared length above
/// the limit is refused before any of it is kept.
#[derive(Debug)]
pub struct Decoder {
    encoding: Encoding,
    limit: usize,
    unread: Pieces,
}

impl Decoder {
    /// A decoder of messages of at most `limit` bytes each.
    pub fn new(encoding: Encoding, limit: usize) -> Self {
        Self { encoding, limit, unread: Pieces::default() }
    }

    /// Adds data. Call [`Decoder::next`] until it gives `None` before adding more, so that only one message is held.
    pub fn push(&mut self, data: Bytes) {
        self.unread.push(data);
    }

    /// The next message, or `None` if more data is needed.
    ///
    /// # Errors
    ///
    /// `INTERNAL` for a flag other than 0 and 1, for flag 1 where no encoding was declared and for data that cannot be
    /// decompressed; `RESOURCE_EXHAUSTED` for a message above the limit. The stream cannot be read on after an error.
    #[expect(clippy::should_implement_trait, reason = "an Iterator that ends may not go on, this one may")]
    pub fn next(&mut self) -> Result<Option<Bytes>, Status> {
        Ok(self.next_pieces()?.map(Pieces::into_bytes))
    }

    /// The same in the pieces that it came in.
    ///
    /// # Errors
    ///
    /// Those of [`next`](Self::next).
    pub fn next_pieces(&mut self) -> Result<Option<Pieces>, Status> {
        let Some([flag, a, b, c, d]) = self.unread.head() else { return Ok(None) };
        let len = u32::from_be_bytes([a, b, c, d]) as usize;
        self.check(flag, len)?;
        if self.unread.len() - PREFIX < len {
            return Ok(None);
        }
        self.unread.skip(PREFIX);
        let message = self.unread.split_to(len);
        if flag == 0 {
            return Ok(Some(message));
        }
        let message = self.encoding.decompress(message.into_bytes(), self.limit)?;
        Ok(Some(message.into()))
    }

    /// Checks that the data did not end inside an envelope.
    ///
    /// # Errors
    ///
    /// `INTERNAL` if it did.
    pub fn finish(&self) -> Result<(), Status> {
        let left = self.unread.len();
        if left == 0 {
            return Ok(());
        }
        Err(Status::internal(format!(
            "the body ended inside a gRPC envelope, {left} bytes after the end of the last whole message"
        )))
    }

    fn check(&self, flag: u8, len: usize) -> Result<(), Status> {
        match flag {
            1 if self.encoding == Encoding::Identity => {
                return Err(Status::internal(
                    "a message has its compressed flag set, but grpc-encoding names no compression",
                ));
            }
            0 | 1 => {}
            _ => {
                return Err(Status::internal(format!(
                    "a gRPC envelope starts with flag {flag}, which is neither 0 nor 1"
                )));
            }
        }
        if len > self.limit {
            let limit = self.limit;
            return Err(Status::resource_exhausted(format!(
                "a message of {len} bytes is larger than the limit of {limit} bytes"
            )));
        }
        Ok(())
    }
}
