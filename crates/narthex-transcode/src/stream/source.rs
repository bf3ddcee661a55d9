//! The body of a stream of messages, taken apart: what each message is made of, as soon as it is whole.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::{self, HeaderMap};
use http_body::{Body as _, Frame};
use narthex_wire::{Body, BoxError, Undecodable};

use super::StreamFormat;
use super::parts::Parts;
use super::values::{Layout, Misfit, Values};
use crate::error::Rejection;
use crate::media::{BodyPlan, Reading};
use crate::options::Options;
use crate::rule::RequestBody;
use crate::template::Dialect;

/// The largest piece of a raw body that is one message, as in Envoy.
const PIECE: usize = 1 << 20;

/// What one message is made of.
pub(super) struct Piece {
    pub(super) data: Bytes,
    /// What it is, by itself or, of a raw body, by its head: there the first piece alone has it.
    pub(super) content_type: Bytes,
    /// It is a file by its head.
    pub(super) is_file: bool,
}

/// Why nothing more can be taken from a body.
pub(super) enum Broken {
    /// It is not what it should be.
    Rejected(Rejection),
    /// It failed on its way.
    Body(BoxError),
}

impl From<Rejection> for Broken {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(rejection)
    }
}

impl From<BoxError> for Broken {
    fn from(error: BoxError) -> Self {
        match error.downcast::<Undecodable>() {
            Ok(error) => Self::Rejected(Rejection::Compressed { encoding: error.encoding }),
            Err(error) => Self::Body(error),
        }
    }
}

pub(super) enum Source {
    /// JSON, a value a message.
    Values {
        body: Body,
        values: Values,
        limit: usize,
        /// No body at all is no messages; there may be none though only its end says so.
        may_be_none: bool,
    },
    /// A part a message.
    Parts(Box<Parts>),
    /// Bytes, which become an HttpBody a piece.
    Raw {
        body: Body,
        piece: Bytes,
        content_type: Bytes,
        sent: bool,
    },
    Ended,
}

impl Source {
    pub(super) fn new(
        body: Body,
        headers: &HeaderMap,
        plan: BodyPlan,
        kind: &RequestBody,
        options: &Options,
    ) -> Result<Self, Rejection> {
        let content_type = headers
            .get(header::CONTENT_TYPE)
            .map_or_else(Bytes::new, |value| Bytes::copy_from_slice(value.as_bytes()));
        let body = plan.encoding.decompressed(body);
        let raw =
            |body| Self::Raw { body, piece: Bytes::new(), content_type: content_type.clone(), sent: false };
        Ok(match kind {
            // One message, of what the path and query say.
            RequestBody::None => raw(Body::empty()),
            RequestBody::Raw | RequestBody::RawField(_) => raw(body),
            // An empty body is a stream of no messages, but no array.
            _ if body.is_end_stream() && options.dialect == Dialect::Specification => Self::Ended,
            _ if plan.reading == Reading::Multipart => {
                Self::Parts(Box::new(Parts::new(body, &content_type, options.max_body)?))
            }
            _ => {
                let is_array = StreamFormat::of_body(headers) == StreamFormat::Array;
                let layout = if is_array { Layout::Array } else { Layout::Sequence };
                let limit = options.max_body;
                let may_be_none = options.dialect == Dialect::Specification;
                Self::Values { body, values: Values::new(layout, limit), limit, may_be_none }
            }
        })
    }

    /// What the next message is made of; `None` once, at the end.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Piece>, Broken>> {
        let next = match self {
            Self::Values { body, values, limit, may_be_none } => {
                ready!(poll_value(body, values, *limit, *may_be_none, cx))
            }
            Self::Parts(parts) => ready!(parts.poll_next(cx)),
            Self::Raw { body, piece, content_type, sent } => {
                ready!(poll_raw(body, piece, cx)).map(|data| {
                    // One message at least, for its content type and what the path says.
                    let is_first = !std::mem::replace(sent, true);
                    let data = data.or_else(|| is_first.then(Bytes::new));
                    let content_type = std::mem::take(content_type);
                    data.map(|data| Piece { data, content_type, is_file: false })
                })
            }
            Self::Ended => Ok(None),
        };
        if !matches!(next, Ok(Some(_))) {
            // Nothing more of the body is wanted.
            *self = Self::Ended;
        }
        Poll::Ready(next)
    }

    /// Whether it is known that nothing comes.
    pub(super) const fn is_ended(&self) -> bool {
        matches!(self, Self::Ended)
    }
}

fn poll_value(
    body: &mut Body,
    values: &mut Values,
    limit: usize,
    may_be_none: bool,
    cx: &mut Context<'_>,
) -> Poll<Result<Option<Piece>, Broken>> {
    let misfit = |misfit| match misfit {
        Misfit::Syntax(message) => Rejection::Stream { message },
        Misfit::TooLarge => Rejection::TooLarge { limit },
    };
    let piece = |data| Piece { data, content_type: Bytes::new(), is_file: false };
    loop {
        if let Some(value) = values.next().map_err(misfit)? {
            return Poll::Ready(Ok(Some(piece(value))));
        }
        match ready!(poll_data(body, cx)).transpose()? {
            Some(data) => values.push(&data),
            None if may_be_none && values.is_untouched() => return Poll::Ready(Ok(None)),
            None => return Poll::Ready(Ok(values.finish().map_err(misfit)?.map(piece))),
        }
    }
}

fn poll_raw(body: &mut Body, piece: &mut Bytes, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Broken>> {
    while piece.is_empty() {
        match ready!(poll_data(body, cx)).transpose()? {
            Some(data) => *piece = data,
            None => return Poll::Ready(Ok(None)),
        }
    }
    Poll::Ready(Ok(Some(piece.split_to(piece.len().min(PIECE)))))
}

/// The data of the next frame; trailers of an HTTP request say nothing to a gRPC method.
pub(super) fn poll_data(body: &mut Body, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BoxError>>> {
    loop {
        match ready!(Pin::new(&mut *body).poll_frame(cx)).map(|frame| frame.map(Frame::into_data)) {
            Some(Ok(Ok(data))) => return Poll::Ready(Some(Ok(data))),
            Some(Ok(Err(_))) => {}
            Some(Err(error)) => return Poll::Ready(Some(Err(error))),
            None => return Poll::Ready(None),
        }
    }
}
