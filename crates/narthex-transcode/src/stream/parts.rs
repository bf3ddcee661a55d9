//! A multipart body (RFC 2046 5.1, RFC 7578) whose parts are the messages of a stream.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::Stream;
use http::header::CONTENT_TYPE;
use multer::{Error, Field, Multipart};
use narthex_wire::{Body, BoxError, Pieces};

use super::source::{Broken, Piece, poll_data};
use crate::error::Rejection;
use crate::multipart;

/// What a part is that does not say what it is (RFC 7578 4.4).
const PLAIN: Bytes = Bytes::from_static(b"text/plain");

/// The largest head of a part, with what stands before the first. Its end is looked for in all of it with every frame that comes.
const HEAD: usize = 16 * 1024;

pub(super) struct Parts {
    reader: Multipart<'static>,
    begun: Option<Part>,
    gate: Arc<Gate>,
    /// The largest part, in bytes.
    limit: usize,
}

/// A part that has begun.
struct Part {
    field: Field<'static>,
    content_type: Bytes,
    is_file: bool,
    data: Pieces,
}

impl Parts {
    pub(super) fn new(body: Body, content_type: &[u8], limit: usize) -> Result<Self, Rejection> {
        let gate = Arc::<Gate>::default();
        let frames = Frames { body, gate: gate.clone() };
        let reader = Multipart::new(frames, multipart::boundary(content_type)?);
        Ok(Self { reader, begun: None, gate, limit })
    }

    /// The next part that is whole.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Piece>, Broken>> {
        loop {
            let Some(part) = &mut self.begun else {
                let head = self.gate.next_or(cx, HEAD, |cx| match self.reader.poll_next_field(cx) {
                    // No body at all is no messages, as in the other framings.
                    Poll::Ready(Err(Error::IncompleteStream)) if !self.gate.has_come() => {
                        Poll::Ready(Ok(None))
                    }
                    head => head,
                });
                let Some(field) = ready!(head)? else { return Poll::Ready(Ok(None)) };
                self.begun = Some(Part::new(field)?);
                continue;
            };
            let more = self
                .gate
                .next_or(cx, usize::MAX, |cx| Pin::new(&mut part.field).poll_next(cx).map(Option::transpose));
            match ready!(more)? {
                Some(data) if data.len() > self.limit - part.data.len() => {
                    return Poll::Ready(Err(Rejection::TooLarge { limit: self.limit }.into()));
                }
                Some(data) => part.data.push(data),
                None => return Poll::Ready(Ok(self.begun.take().map(Part::into_piece))),
            }
        }
    }
}

impl Part {
    fn new(field: Field<'static>) -> Result<Self, Rejection> {
        if field.headers().is_empty() {
            // multer looks for the end of headers even where there are none, which is further on.
            return Err(Rejection::form("", "a part has no headers"));
        }
        let content_type = field.headers().get(CONTENT_TYPE);
        let content_type = content_type.map(|value| Bytes::copy_from_slice(value.as_bytes()));
        let is_file = multipart::is_file(field.headers());
        Ok(Self { content_type: content_type.unwrap_or(PLAIN), is_file, data: Pieces::default(), field })
    }

    fn into_piece(self) -> Piece {
        Piece { data: self.data.into_bytes(), content_type: self.content_type, is_file: self.is_file }
    }
}

/// multer takes all that its stream has before it gives anything. It gets a frame at a time, and none before it has
/// given all that was in those before it: so the connection's flow control is the stream's here too.
#[derive(Debug, Default)]
struct Gate {
    /// Another frame may be taken.
    open: AtomicBool,
    /// How many bytes were taken since something was given.
    taken: AtomicUsize,
    /// There is a body.
    came: AtomicBool,
}

impl Gate {
    fn has_come(&self) -> bool {
        self.came.load(Relaxed)
    }

    fn next_or<T>(
        &self,
        cx: &mut Context<'_>,
        limit: usize,
        mut poll: impl FnMut(&mut Context<'_>) -> Poll<Result<T, Error>>,
    ) -> Poll<Result<T, Broken>> {
        loop {
            match poll(cx) {
                Poll::Ready(given) => {
                    self.taken.store(0, Relaxed);
                    return Poll::Ready(given.map_err(broken));
                }
                // No frame came though one could have: it will wake us.
                Poll::Pending if self.open.swap(true, Relaxed) => return Poll::Pending,
                Poll::Pending if self.taken.load(Relaxed) > limit => {
                    let message = format!("the head of a part is larger than {limit} bytes");
                    return Poll::Ready(Err(Rejection::form("", message).into()));
                }
                Poll::Pending => {}
            }
        }
    }
}

fn broken(error: Error) -> Broken {
    match error {
        Error::StreamReadFailed(error) => error.into(),
        error => multipart::malformed(&error).into(),
    }
}

struct Frames {
    body: Body,
    gate: Arc<Gate>,
}

impl Stream for Frames {
    type Item = Result<Bytes, BoxError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if !self.gate.open.load(Relaxed) {
            return Poll::Pending;
        }
        let data = ready!(poll_data(&mut self.body, cx));
        if let Some(Ok(data)) = &data {
            self.gate.open.store(false, Relaxed);
            self.gate.taken.fetch_add(data.len(), Relaxed);
            self.gate.came.fetch_or(!data.is_empty(), Relaxed);
        }
        Poll::Ready(data)
    }
}
