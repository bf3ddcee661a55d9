//! The body of every request and response between the edge and the leaves.
//!
//! Most bodies are one piece that is in memory already, and a unary gRPC reply is one piece and its trailers: those
//! need no allocation of their own. Everything else is boxed. It is *not* a channel: a body that is produced while it
//! is sent brings its own `http_body::Body`.

use std::any::Any;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt as _;
use http_body_util::combinators::UnsyncBoxBody;

use crate::BoxError;
use crate::trailers::Trailers;

/// A request's or response's body.
#[derive(Default)]
pub struct Body(Repr);

#[derive(Default)]
enum Repr {
    #[default]
    Empty,
    /// Never empty.
    Full(Bytes),
    /// Data still to be sent (empty: none) and then the trailers. Those are one pointer wide, since a map of headers would make
    /// every request, response and future around them large, and all of these are moved often.
    Trailers(Bytes, Trailers),
    Boxed(UnsyncBoxBody<Bytes, BoxError>),
}

impl Body {
    /// No data, no trailers.
    pub const fn empty() -> Self {
        Self(Repr::Empty)
    }

    /// All data in one piece, of known length.
    pub fn full(data: impl Into<Bytes>) -> Self {
        let data = data.into();
        Self(if data.is_empty() { Repr::Empty } else { Repr::Full(data) })
    }

    /// All data in one piece (which may be empty), then trailers.
    pub fn with_trailers(data: Bytes, trailers: impl Into<Trailers>) -> Self {
        Self(Repr::Trailers(data, trailers.into()))
    }

    /// Any other body; one that has ended already, or is a [`Body`], is not boxed.
    pub fn new<B>(body: B) -> Self
    where
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        if body.is_end_stream() {
            return Self::empty();
        }
        let mut body = Some(body);
        if let Some(body) = (&mut body as &mut dyn Any).downcast_mut::<Option<Self>>() {
            return body.take().unwrap_or_default();
        }
        match body {
            Some(body) => Self(Repr::Boxed(body.map_err(Into::into).boxed_unsync())),
            None => Self::empty(),
        }
    }

    /// Whether all of the body is in memory, so that sending it waits for nobody but the peer.
    pub const fn is_buffered(&self) -> bool {
        !matches!(self.0, Repr::Boxed(_))
    }

    /// The trailers, where the whole body is in memory and has them.
    pub fn buffered_trailers(&self) -> Option<&HeaderMap> {
        match &self.0 {
            Repr::Trailers(_, trailers) => Some(trailers),
            Repr::Empty | Repr::Full(_) | Repr::Boxed(_) => None,
        }
    }

    /// The data and trailers of a body that is in memory; any other comes back as it was.
    pub fn into_buffered(self) -> Result<Collected, Self> {
        match self.0 {
            Repr::Empty => Ok(Collected::default()),
            Repr::Full(data) => Ok(Collected { data, trailers: None }),
            Repr::Trailers(data, trailers) => Ok(Collected { data, trailers: Some(trailers) }),
            boxed @ Repr::Boxed(_) => Err(Self(boxed)),
        }
    }

    /// The next frame, for callers that await.
    pub async fn frame(&mut self) -> Option<Result<Frame<Bytes>, BoxError>> {
        poll_fn(|cx| Pin::new(&mut *self).poll_frame(cx)).await
    }

    /// Reads the whole body, of at most `limit` bytes of data.
    ///
    /// A body of one data frame is handed on without copying it.
    ///
    /// # Errors
    ///
    /// [`CollectError::TooLarge`] as soon as the limit is known to be passed, before that much is held in memory.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the body.
    pub async fn collect(self, limit: usize) -> Result<Collected, CollectError> {
        if self.size_hint().lower() > limit as u64 {
            return Err(CollectError::TooLarge { limit });
        }
        let mut body = match self.0 {
            Repr::Empty => return Ok(Collected::default()),
            Repr::Full(data) => return Ok(Collected { data, trailers: None }),
            Repr::Trailers(data, trailers) => return Ok(Collected { data, trailers: Some(trailers) }),
            Repr::Boxed(body) => body,
        };
        let mut first = Bytes::new();
        let mut joined = BytesMut::new();
        let mut trailers = None;
        while let Some(frame) = body.frame().await {
            match frame.map_err(CollectError::Body)?.into_data() {
                Ok(data) => {
                    let held = first.len() + joined.len();
                    if data.len() > limit - held {
                        return Err(CollectError::TooLarge { limit });
                    }
                    if held == 0 {
                        first = data;
                        continue;
                    }
                    if !first.is_empty() {
                        joined.reserve(held + data.len());
                        joined.extend_from_slice(&std::mem::take(&mut first));
                    }
                    joined.extend_from_slice(&data);
                }
                Err(frame) => trailers = frame.into_trailers().ok().map(Trailers::from),
            }
        }
        let data = if joined.is_empty() { first } else { joined.freeze() };
        Ok(Collected { data, trailers })
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Repr::Boxed(body) = &mut self.0 {
            return Pin::new(body).poll_frame(cx);
        }
        Poll::Ready(match std::mem::take(&mut self.0) {
            Repr::Full(data) => Some(Ok(Frame::data(data))),
            Repr::Trailers(data, trailers) if data.is_empty() => {
                Some(Ok(Frame::trailers(trailers.into_map())))
            }
            Repr::Trailers(data, trailers) => {
                self.0 = Repr::Trailers(Bytes::new(), trailers);
                Some(Ok(Frame::data(data)))
            }
            Repr::Empty | Repr::Boxed(_) => None,
        })
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Repr::Empty => true,
            Repr::Full(_) | Repr::Trailers(..) => false,
            Repr::Boxed(body) => body.is_end_stream(),
        }
    }

    /// Exact where the length is known, but for a body with trailers only a lower bound: HTTP/1.1 has trailers in
    /// chunked messages alone, and an exact hint makes hyper write a Content-Length instead.
    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Repr::Empty => SizeHint::with_exact(0),
            Repr::Full(data) => SizeHint::with_exact(data.len() as u64),
            Repr::Trailers(data, _) => {
                let mut hint = SizeHint::new();
                hint.set_lower(data.len() as u64);
                hint
            }
            Repr::Boxed(body) => body.size_hint(),
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Repr::Empty => f.write_str("Body(empty)"),
            Repr::Full(data) => write!(f, "Body({} bytes)", data.len()),
            Repr::Trailers(data, _) => write!(f, "Body({} bytes, trailers)", data.len()),
            Repr::Boxed(_) => f.write_str("Body(stream)"),
        }
    }
}

impl<T: Into<Bytes>> From<T> for Body {
    fn from(data: T) -> Self {
        Self::full(data)
    }
}

/// A whole body.
#[derive(Debug, Clone, Default)]
pub struct Collected {
    /// Its data.
    pub data: Bytes,
    /// Its trailers.
    pub trailers: Option<Trailers>,
}

/// Why a body could not be read whole.
#[derive(Debug)]
pub enum CollectError {
    /// It has more data than allowed.
    TooLarge {
        /// What was allowed, in bytes.
        limit: usize,
    },
    /// It failed: the peer is gone, or sent something malformed.
    Body(BoxError),
}

impl fmt::Display for CollectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { limit } => write!(f, "the body is larger than {limit} bytes"),
            Self::Body(error) => write!(f, "the body could not be read: {error}"),
        }
    }
}

impl std::error::Error for CollectError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::TooLarge { .. } => None,
            Self::Body(error) => Some(&**error),
        }
    }
}
