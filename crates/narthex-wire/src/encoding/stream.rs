//! A compressed body that is decompressed as it comes.
//!
//! What a sender has flushed is given on before more comes, so that a message is whole here as soon as it is whole there. Little
//! is made of much by no more than a piece at a time, and what has been made is taken before the next one is: whoever
//! reads has to bound only what it keeps.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use brotli::enc::StandardAlloc;
use brotli::{BrotliDecompressStream, BrotliResult, BrotliState};
use bytes::{Buf as _, Bytes};
use flate2::{Decompress, FlushDecompress, Status as Progress};
use http_body::{Body as HttpBody, Frame};
use zstd::stream::raw::{Decoder, Operation as _};
use zstd::zstd_safe::DParameter;

use super::Encoding;
use super::codec::{DEFLATE_WINDOW, ZSTD_WINDOW_LOG, something_follows};
use crate::{Body, BoxError};

/// The largest piece that is decompressed at once.
const PIECE: usize = 16 * 1024;

/// After so many bytes others have their turn: a few compressed bytes can make gigabytes, and nothing else would run meanwhile.
const TURN: usize = 1024 * 1024;

/// What a body fails with that is not of the encoding which it says it is.
#[derive(Debug, thiserror::Error)]
#[error("the body cannot be decompressed as {}", .encoding.name())]
pub struct Undecodable {
    /// The encoding it says it is of.
    pub encoding: Encoding,
    #[source]
    source: io::Error,
}

impl Encoding {
    /// A body of this encoding, decompressed; it fails with [`Undecodable`].
    ///
    /// There is no limit on all of it, since it may be a stream without end: whoever keeps what it gives needs one.
    pub fn decompressed(self, body: Body) -> Body {
        match Codec::new(self) {
            Some(codec) if !body.is_end_stream() => Body::new(Decompressed {
                body,
                encoding: self,
                codec,
                input: Bytes::new(),
                output: Box::new([0; PIECE]),
                place: Place::Between,
                more: false,
                given: 0,
            }),
            _ => body,
        }
    }
}

struct Decompressed {
    body: Body,
    encoding: Encoding,
    codec: Codec,
    /// What has come and is not yet decompressed.
    input: Bytes,
    output: Box<[u8; PIECE]>,
    place: Place,
    /// The last step had no room for all that it could have made. Otherwise nothing comes of a step without input, which zstd
    /// takes for a fault when it happens often.
    more: bool,
    /// How much was given since others had their turn.
    given: usize,
}

/// gzip and zstd allow several members and frames, one after the other.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Nothing has begun that must end.
    Between,
    Inside,
}

impl Decompressed {
    /// The next piece of what has come; `None` if more has to come.
    fn next(&mut self) -> io::Result<Option<Bytes>> {
        while self.more || !self.input.is_empty() {
            let step = self.codec.step(&self.input, &mut self.output[..])?;
            self.input.advance(step.read);
            self.more = !step.ended && step.written == PIECE;
            if step.ended {
                self.place = Place::Between;
                self.codec.next_member();
            } else {
                self.place = Place::Inside;
            }
            if step.written > 0 {
                return Ok(Some(Bytes::copy_from_slice(&self.output[..step.written])));
            }
            if step.read == 0 && !step.ended {
                return Ok(None);
            }
        }
        Ok(None)
    }

    fn fail(&mut self, source: io::Error) -> BoxError {
        self.body = Body::empty();
        self.input = Bytes::new();
        self.more = false;
        self.place = Place::Between;
        Undecodable { encoding: self.encoding, source }.into()
    }
}

impl HttpBody for Decompressed {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        loop {
            if self.given >= TURN {
                self.given = 0;
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            match self.next() {
                Ok(Some(piece)) => {
                    self.given += piece.len();
                    return Poll::Ready(Some(Ok(Frame::data(piece))));
                }
                Ok(None) => {}
                Err(error) => return Poll::Ready(Some(Err(self.fail(error)))),
            }
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.input = data,
                    Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                },
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None if self.place == Place::Inside => {
                    let error = io::Error::from(io::ErrorKind::UnexpectedEof);
                    return Poll::Ready(Some(Err(self.fail(error))));
                }
                None => return Poll::Ready(None),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.place == Place::Between && self.input.is_empty() && self.body.is_end_stream()
    }
}

/// What one step of a decompressor did.
pub(super) struct Step {
    pub(super) read: usize,
    pub(super) written: usize,
    /// The member or frame has ended; all of it has been written.
    pub(super) ended: bool,
}

pub(super) enum Codec {
    Deflate {
        state: Decompress,
        is_gzip: bool,
    },
    Zstd(Decoder<'static>),
    Brotli(Box<BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>>),
    /// After what must not be followed by anything.
    Ended,
}

impl Codec {
    fn new(encoding: Encoding) -> Option<Self> {
        match encoding {
            Encoding::Identity => None,
            Encoding::Gzip => {
                Some(Self::Deflate { state: Decompress::new_gzip(DEFLATE_WINDOW), is_gzip: true })
            }
            Encoding::Deflate => Some(Self::Deflate { state: Decompress::new(true), is_gzip: false }),
            Encoding::Zstd => {
                let mut decoder = Decoder::new().expect("there is memory for a zstd context");
                let window = DParameter::WindowLogMax(ZSTD_WINDOW_LOG);
                decoder.set_parameter(window).expect("the value is within zstd's range");
                Some(Self::Zstd(decoder))
            }
            Encoding::Brotli => Some(Self::brotli()),
        }
    }

    /// Strict: windows of RFC 7932, 16 MiB at most.
    pub(super) fn brotli() -> Self {
        let alloc = StandardAlloc::default;
        Self::Brotli(Box::new(BrotliState::new_strict(alloc(), alloc(), alloc())))
    }

    pub(super) fn step(&mut self, input: &[u8], output: &mut [u8]) -> io::Result<Step> {
        match self {
            Self::Deflate { state, .. } => {
                let (read, written) = (state.total_in(), state.total_out());
                let progress = state.decompress(input, output, FlushDecompress::None)?;
                let within = "no more than there was room for";
                Ok(Step {
                    read: usize::try_from(state.total_in() - read).expect(within),
                    written: usize::try_from(state.total_out() - written).expect(within),
                    ended: progress == Progress::StreamEnd,
                })
            }
            Self::Zstd(decoder) => {
                let done = decoder.run_on_buffers(input, output)?;
                Ok(Step { read: done.bytes_read, written: done.bytes_written, ended: done.remaining == 0 })
            }
            Self::Brotli(state) => {
                let (mut left, mut read, mut room, mut written) = (input.len(), 0, output.len(), 0);
                let result = BrotliDecompressStream(
                    &mut left,
                    &mut read,
                    input,
                    &mut room,
                    &mut written,
                    output,
                    &mut 0,
                    state,
                );
                match result {
                    BrotliResult::ResultFailure => Err(io::ErrorKind::InvalidData.into()),
                    result => {
                        let ended = matches!(result, BrotliResult::ResultSuccess);
                        Ok(Step { read, written, ended })
                    }
                }
            }
            Self::Ended => Err(something_follows()),
        }
    }

    /// Gets ready for what may follow a member that has ended.
    fn next_member(&mut self) {
        match self {
            Self::Deflate { state, is_gzip: true } => *state = Decompress::new_gzip(DEFLATE_WINDOW),
            // The next frame is begun by its first byte.
            Self::Zstd(_) => {}
            _ => *self = Self::Ended,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::io::Write as _;
    use std::task::Waker;

    use super::*;

    const COMPRESSED: [Encoding; 4] = [Encoding::Gzip, Encoding::Deflate, Encoding::Zstd, Encoding::Brotli];

    /// A body of these frames; it waits where one of them is empty, and after the last if it is `endless`.
    struct Frames {
        frames: VecDeque<Vec<u8>>,
        endless: bool,
    }

    impl HttpBody for Frames {
        type Data = Bytes;
        type Error = BoxError;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
            match self.frames.pop_front() {
                Some(frame) => Poll::Ready(Some(Ok(Frame::data(frame.into())))),
                None if self.endless => Poll::Pending,
                None => Poll::Ready(None),
            }
        }
    }

    fn body(encoding: Encoding, frames: impl IntoIterator<Item = Vec<u8>>, endless: bool) -> Body {
        encoding.decompressed(Body::new(Frames { frames: frames.into_iter().collect(), endless }))
    }

    /// All that a body gives until it waits for its sender, and whether it has ended then.
    fn read(body: &mut Body) -> Result<(Vec<u8>, bool), Undecodable> {
        let (mut all, mut waits) = (Vec::new(), 0);
        let cx = &mut Context::from_waker(Waker::noop());
        loop {
            match Pin::new(&mut *body).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    let data = frame.into_data().unwrap();
                    assert!((1..=PIECE).contains(&data.len()));
                    all.extend(data);
                    waits = 0;
                }
                Poll::Ready(Some(Err(error))) => return Err(*error.downcast::<Undecodable>().unwrap()),
                Poll::Ready(None) => return Ok((all, true)),
                // Once it may only have let others have their turn.
                Poll::Pending if waits == 0 => waits = 1,
                Poll::Pending => return Ok((all, false)),
            }
        }
    }

    fn compressed(encoding: Encoding, data: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        encoding.compress(data, &mut out);
        out
    }

    fn text(len: usize) -> Vec<u8> {
        (0..len).map(|i| b'a' + u8::try_from((i * i / 7) % 26).unwrap()).collect()
    }

    #[test]
    fn it_does_not_matter_where_frames_end() {
        for encoding in COMPRESSED {
            for (len, size) in [(0, 1), (1, 1), (500, 1), (70_000, 1_000), (3 << 20, 100_000)] {
                let whole = compressed(encoding, &text(len));
                let frames = whole.chunks(size).map(<[u8]>::to_vec);
                let got = read(&mut body(encoding, frames, false)).unwrap();
                assert!(got == (text(len), true), "{encoding:?} {len} {size}");
            }
        }
    }

    #[test]
    fn what_was_flushed_is_given_at_once() {
        for encoding in [Encoding::Gzip, Encoding::Zstd, Encoding::Brotli] {
            for len in [1, 10, PIECE - 1, PIECE, PIECE + 1, 5 * PIECE + 257] {
                let message = text(len);
                let flushed = flushed(encoding, &message);
                let got = read(&mut body(encoding, [flushed], true)).unwrap();
                assert!(got == (message, false), "{encoding:?} {len}: {}", got.0.len());
            }
        }
    }

    #[test]
    fn a_sender_may_pause_however_often_it_is_asked() {
        for encoding in [Encoding::Gzip, Encoding::Zstd, Encoding::Brotli] {
            let mut body = body(encoding, [flushed(encoding, b"some")], true);
            assert_eq!(read(&mut body).unwrap(), (b"some".to_vec(), false), "{encoding:?}");
            for _ in 0..100 {
                assert_eq!(read(&mut body).unwrap(), (Vec::new(), false), "{encoding:?}");
            }
        }
    }

    /// The beginning of a stream that has not ended.
    fn flushed(encoding: Encoding, data: &[u8]) -> Vec<u8> {
        fn written<W: io::Write>(mut writer: W, data: &[u8]) -> W {
            writer.write_all(data).unwrap();
            writer.flush().unwrap();
            writer
        }
        let out = Vec::new();
        match encoding {
            Encoding::Gzip => {
                let encoder = flate2::write::GzEncoder::new(out, flate2::Compression::fast());
                written(encoder, data).get_ref().clone()
            }
            Encoding::Zstd => {
                written(zstd::stream::write::Encoder::new(out, 1).unwrap(), data).get_ref().clone()
            }
            _ => written(brotli::CompressorWriter::new(out, 4096, 3, 18), data).get_ref().clone(),
        }
    }

    #[test]
    fn members_follow_each_other_where_the_format_has_them() {
        for encoding in COMPRESSED {
            let two = [compressed(encoding, b"one "), compressed(encoding, b"two")];
            let got = read(&mut body(encoding, [two.concat()], false));
            match encoding {
                Encoding::Gzip | Encoding::Zstd => assert_eq!(got.unwrap(), (b"one two".to_vec(), true)),
                _ => assert_eq!(got.unwrap_err().encoding, encoding),
            }
        }
    }

    #[test]
    fn what_is_cut_or_something_else_is_undecodable() {
        for encoding in COMPRESSED {
            let whole = compressed(encoding, &text(5_000));
            for end in [1, whole.len() / 2, whole.len() - 1] {
                let error = read(&mut body(encoding, [whole[..end].to_vec()], false)).unwrap_err();
                assert_eq!(error.encoding, encoding, "{end}");
            }
            assert!(read(&mut body(encoding, [vec![0xFF; 100]], false)).is_err(), "{encoding:?}");
            // No data is not compressed data.
            assert_eq!(read(&mut body(encoding, [], false)).unwrap(), (Vec::new(), true));
        }
    }

    #[test]
    fn a_bomb_lets_others_have_their_turn() {
        for encoding in COMPRESSED {
            let mut body = body(encoding, [compressed(encoding, &vec![0; 3 * TURN])], false);
            let cx = &mut Context::from_waker(Waker::noop());
            let mut given = 0;
            while let Poll::Ready(frame) = Pin::new(&mut body).poll_frame(cx) {
                given += frame.unwrap().unwrap().into_data().unwrap().len();
            }
            assert!((TURN..TURN + PIECE).contains(&given), "{encoding:?} {given}");
        }
    }

    #[test]
    fn a_window_that_is_too_large_is_refused() {
        let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
        encoder.window_log(27).unwrap();
        encoder.write_all(&text(100)).unwrap();
        let data = encoder.finish().unwrap();
        assert!(read(&mut body(Encoding::Zstd, [data], false)).is_err());
    }
}
