//! A stream of messages in a request's body, as the envelopes of a gRPC call.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::{self, HeaderMap};
use http_body::{Body as HttpBody, Frame};
use narthex_wire::{Body, BoxError, Status};

use super::StreamFormat;
use super::values::{Layout, Misfit, Values};
use crate::bind;
use crate::error::Rejection;
use crate::layer::Shared;
use crate::media::Reading;
use crate::rule::RequestBody;

/// The largest piece of a raw body that is one message, as in Envoy.
const PIECE: usize = 1 << 20;

/// Why the body of a stream was refused while it was being sent: the answer is about that, whatever the method says to a
/// request that ended in the middle.
#[derive(Debug, Clone, Default)]
pub(crate) struct Failure(Arc<Mutex<Option<Rejection>>>);

impl Failure {
    /// What was wrong, once.
    pub(crate) fn take(&self) -> Option<Rejection> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn set(&self, rejection: Rejection) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(rejection);
    }
}

/// The body of the gRPC request. Each message goes on as soon as it is whole, and no more is read before it is asked for.
pub(crate) struct RequestStream {
    body: Body,
    shared: Arc<Shared>,
    route: usize,
    /// What query and path set, for the first message.
    tail: Vec<u8>,
    content_type: Bytes,
    source: Source,
    failure: Failure,
}

enum Source {
    Json(Values),
    /// Bytes, which become an HttpBody a piece.
    Raw {
        piece: Bytes,
        sent: bool,
    },
    Ended,
}

impl RequestStream {
    pub(crate) fn new(
        body: Body,
        headers: &HeaderMap,
        route: usize,
        tail: Vec<u8>,
        failure: Failure,
        shared: Arc<Shared>,
    ) -> Self {
        let content_type = headers
            .get(header::CONTENT_TYPE)
            .map_or_else(Bytes::new, |value| Bytes::copy_from_slice(value.as_bytes()));
        let (body, source) = match shared.table.route(route).body {
            // One message, of what the path and query say.
            RequestBody::None => (Body::empty(), Source::Raw { piece: Bytes::new(), sent: false }),
            RequestBody::Raw | RequestBody::RawField(_) => {
                (body, Source::Raw { piece: Bytes::new(), sent: false })
            }
            // An empty body is a stream of no messages.
            _ if body.is_end_stream() => (body, Source::Ended),
            _ => {
                let is_array = StreamFormat::of_body(headers) == StreamFormat::Array;
                let layout = if is_array { Layout::Array } else { Layout::Sequence };
                (body, Source::Json(Values::new(layout, shared.options.max_body)))
            }
        };
        Self { body, shared, route, tail, content_type, source, failure }
    }

    /// The next message in its envelope, of what has come.
    fn next(&mut self) -> Result<Option<Bytes>, Rejection> {
        match &mut self.source {
            Source::Json(values) => match values.next().map_err(|misfit| self.misfit(misfit))? {
                Some(value) => self.message(&value).map(Some),
                None => Ok(None),
            },
            Source::Raw { piece, sent } if !piece.is_empty() => {
                let data = piece.split_to(piece.len().min(PIECE));
                *sent = true;
                self.message(&data).map(Some)
            }
            Source::Raw { .. } | Source::Ended => Ok(None),
        }
    }

    /// The last message, once the body has ended.
    fn last(&mut self) -> Result<Option<Bytes>, Rejection> {
        match std::mem::replace(&mut self.source, Source::Ended) {
            Source::Json(mut values) => match values.finish().map_err(|misfit| self.misfit(misfit))? {
                Some(value) => self.message(&value).map(Some),
                None => Ok(None),
            },
            // One message at least, for its content type and what the path says.
            Source::Raw { sent: false, .. } => self.message(&Bytes::new()).map(Some),
            Source::Raw { .. } | Source::Ended => Ok(None),
        }
    }

    fn message(&mut self, body: &Bytes) -> Result<Bytes, Rejection> {
        let route = self.shared.table.route(self.route);
        // Variables, parameters and the content type are the first message's, as in Envoy.
        let tail = std::mem::take(&mut self.tail);
        let content_type = std::mem::take(&mut self.content_type);
        bind::bind_body(route, body, &content_type, Reading::Json, &tail, &self.shared.options)
    }

    fn misfit(&self, misfit: Misfit) -> Rejection {
        match misfit {
            Misfit::Syntax(message) => Rejection::Stream { message },
            Misfit::TooLarge => Rejection::TooLarge { limit: self.shared.options.max_body },
        }
    }

    fn fail(&mut self, rejection: Rejection) -> BoxError {
        self.source = Source::Ended;
        // Nothing more of it is wanted.
        self.body = Body::empty();
        let status = Status::invalid_argument("the request's body is malformed");
        self.failure.set(rejection);
        status.into()
    }
}

impl HttpBody for RequestStream {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        loop {
            match self.next() {
                Ok(Some(message)) => return Poll::Ready(Some(Ok(Frame::data(message)))),
                Ok(None) => {}
                Err(rejection) => return Poll::Ready(Some(Err(self.fail(rejection)))),
            }
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => {
                    // Trailers of an HTTP request say nothing to a gRPC method.
                    let Ok(data) = frame.into_data() else { continue };
                    match &mut self.source {
                        Source::Json(values) => values.push(&data),
                        Source::Raw { piece, .. } => *piece = data,
                        Source::Ended => {}
                    }
                }
                Some(Err(error)) => {
                    self.source = Source::Ended;
                    return Poll::Ready(Some(Err(error)));
                }
                None => {
                    return Poll::Ready(match self.last() {
                        Ok(message) => message.map(|message| Ok(Frame::data(message))),
                        Err(rejection) => Some(Err(self.fail(rejection))),
                    });
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.source, Source::Ended) && self.body.is_end_stream()
    }
}
