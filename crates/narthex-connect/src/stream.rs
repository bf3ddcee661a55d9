//! Streams: envelopes as gRPC's, and at the end of the answer one more that says how the call ended.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue, TRAILER};
use http::{HeaderMap, Request, Response};
use http_body::{Body as HttpBody, Frame};
use narthex_wire::names::{GRPC_ACCEPT_ENCODING, GRPC_ENCODING};
use narthex_wire::{Body, BoxError, Codec, Flow, Outcome, Status, envelope, is_grpc};

use crate::error::end_of_stream;
use crate::layer::Shared;
use crate::request::{STREAM_ACCEPT_ENCODING, STREAM_ENCODING, Said};

/// The flag of the last envelope.
const END: u8 = 2;

/// A request as the gRPC call that it stands for: envelopes are the same.
pub(crate) fn to_grpc(request: Request<Body>, codec: Codec) -> Result<Request<Body>, Status> {
    let (mut head, body) = request.into_parts();
    Said::take(&mut head.headers, true).write(&mut head, codec, true)?;
    Ok(Request::from_parts(head, body))
}

/// A gRPC response as the answer to a streaming call; what is not gRPC stays as it is.
pub(crate) fn from_grpc(response: Response<Body>, codec: Codec, shared: &Arc<Shared>) -> Response<Body> {
    if !is_grpc(response.headers()) {
        return response;
    }
    let (mut head, inner) = response.into_parts();
    let outcome = Outcome::default();
    head.extensions.insert(Flow::Connect);
    head.extensions.insert(outcome.clone());
    let mut body = StreamBody { inner: Some(inner), shared: Arc::clone(shared), outcome };
    let lone = Status::from_trailers(&head.headers)
        .filter(|_| body.inner.as_ref().is_some_and(HttpBody::is_end_stream));
    let ours = match lone {
        Some(mut status) => {
            // Trailers-only: what is in the head are trailing metadata.
            head.headers.clear();
            status.metadata_mut().remove(CONTENT_TYPE);
            Body::full(body.end(&status))
        }
        None => Body::new(body),
    };
    to_connect(&mut head.headers, codec);
    Response::from_parts(head, ours)
}

fn to_connect(headers: &mut HeaderMap, codec: Codec) {
    for (theirs, ours) in [(&GRPC_ENCODING, STREAM_ENCODING), (&GRPC_ACCEPT_ENCODING, STREAM_ACCEPT_ENCODING)]
    {
        if let Some(value) = headers.remove(theirs) {
            headers.insert(ours, value);
        }
    }
    // A servicer's metadata of this name would be HTTP's word on the body.
    headers.remove(CONTENT_ENCODING);
    headers.remove(CONTENT_LENGTH);
    headers.remove(TRAILER);
    let protocol: Vec<HeaderName> = headers
        .keys()
        .filter(|name| {
            name.as_str().starts_with("grpc-") && narthex_wire::metadata::is_reserved(name.as_str())
        })
        .cloned()
        .collect();
    for name in protocol {
        headers.remove(name);
    }
    let content_type = match codec {
        Codec::Proto => "application/connect+proto",
        Codec::Json => "application/connect+json",
    };
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
}

/// The body of an answer.
struct StreamBody {
    /// None once it has ended.
    inner: Option<Body>,
    shared: Arc<Shared>,
    outcome: Outcome,
}

impl StreamBody {
    /// The last envelope.
    fn end(&mut self, status: &Status) -> Bytes {
        self.inner = None;
        self.outcome.set(status.code());
        let json = end_of_stream(status, &self.shared.pool).to_string();
        let mut prefix = envelope::prefix(json.len(), false);
        prefix[0] = END;
        [&prefix[..], json.as_bytes()].concat().into()
    }
}

impl HttpBody for StreamBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        let Some(inner) = &mut this.inner else { return Poll::Ready(None) };
        let status = match ready!(Pin::new(inner).poll_frame(cx)) {
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                Err(frame) => frame.trailers_ref().and_then(Status::from_trailers),
            },
            Some(Err(error)) => match error.downcast::<Status>() {
                Ok(status) => Some(*status),
                Err(error) => {
                    this.inner = None;
                    return Poll::Ready(Some(Err(error)));
                }
            },
            None => None,
        };
        let status = status.unwrap_or_else(|| Status::unknown("the call ended without a grpc-status"));
        Poll::Ready(Some(Ok(Frame::data(this.end(&status)))))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_none()
    }
}
