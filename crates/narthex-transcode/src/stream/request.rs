//! A stream of messages in a request's body, as the envelopes of a gRPC call.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::HeaderMap;
use http_body::{Body as HttpBody, Frame};
use narthex_wire::{Body, BoxError, Status};

use super::source::{Broken, Piece, Source};
use crate::bind::{self, Target};
use crate::error::Rejection;
use crate::layer::Shared;
use crate::media::{self, BodyPlan, Reading};

/// Why the body of a stream was refused while it was being sent: the answer is about that, whatever the method says to a
/// request that ended in the middle.
#[derive(Debug, Clone)]
pub(crate) struct Failure(Option<Arc<Mutex<Option<Rejection>>>>);

impl Failure {
    /// Of a request that is a stream; no other is sent before it is known to be right.
    pub(crate) fn of(is_stream: bool) -> Self {
        Self(is_stream.then(Arc::default))
    }

    /// What was wrong, once.
    pub(crate) fn take(&self) -> Option<Rejection> {
        self.0.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn set(&self, rejection: Rejection) {
        if let Some(kept) = &self.0 {
            *kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(rejection);
        }
    }
}

/// The body of the gRPC request. Each message goes on as soon as it is whole, and no more is read before it is asked for.
pub(crate) struct RequestStream {
    source: Source,
    shared: Arc<Shared>,
    route: usize,
    /// What query and path set, for the first message, as in Envoy.
    target: Target,
    reading: Reading,
    failure: Failure,
}

impl RequestStream {
    pub(crate) fn new(
        body: Body,
        headers: &HeaderMap,
        plan: BodyPlan,
        route: usize,
        target: Target,
        failure: Failure,
        shared: Arc<Shared>,
    ) -> Result<Self, Rejection> {
        let kind = &shared.table.route(route).body;
        let source = Source::new(body, headers, plan, kind, &shared.options)?;
        Ok(Self { source, shared, route, target, reading: plan.reading, failure })
    }

    /// A message in its envelope.
    fn message(&mut self, piece: &Piece) -> Result<Bytes, Rejection> {
        let route = self.shared.table.route(self.route);
        let reading = match self.reading {
            Reading::Multipart => media::of_part(&route.body, &piece.content_type, piece.is_file)?,
            _ => Reading::Json,
        };
        let (target, options) = (std::mem::take(&mut self.target), &self.shared.options);
        let message = bind::bind_body(route, &piece.data, &piece.content_type, reading, &target, options)?;
        Ok(bind::finish(message, &target))
    }

    fn fail(&mut self, rejection: Rejection) -> BoxError {
        self.source = Source::Ended;
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
        let next = match ready!(self.source.poll_next(cx)) {
            Ok(None) => return Poll::Ready(None),
            Ok(Some(piece)) => self.message(&piece),
            Err(Broken::Rejected(rejection)) => Err(rejection),
            Err(Broken::Body(error)) => return Poll::Ready(Some(Err(error))),
        };
        Poll::Ready(Some(next.map(Frame::data).map_err(|rejection| self.fail(rejection))))
    }

    fn is_end_stream(&self) -> bool {
        self.source.is_ended()
    }
}
