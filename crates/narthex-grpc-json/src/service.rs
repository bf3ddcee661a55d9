//! The service: which requests have JSON messages, and what happens to them.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap};
use http::{Request, Response};
use http_body::Body as _;
use narthex_protojson::Message;
use narthex_wire::encoding::Enabled;
use narthex_wire::envelope::Decoder;
use narthex_wire::names::{APPLICATION_GRPC, GRPC_ENCODING};
use narthex_wire::protocol::{essence, is_grpc_content_type};
use narthex_wire::{Answered, Body, Codec, Encoding, Status, is_grpc};
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::messages::Messages;
use crate::recode::{self, Direction};

/// See [`GrpcJsonLayer`](crate::GrpcJsonLayer).
#[derive(Debug, Clone)]
pub struct GrpcJson<S> {
    pub(crate) inner: S,
    pub(crate) messages: Messages,
    pub(crate) max_message: usize,
    pub(crate) enabled: Enabled,
}

impl<S> Service<Request<Body>> for GrpcJson<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        match codec(request.headers()) {
            None | Some(Ok(Codec::Proto)) => {
                ResponseFuture { inner: Answered::inner(self.inner.call(request)), json: None }
            }
            Some(Ok(Codec::Json)) => match self.to_proto(request) {
                Ok((request, response)) => {
                    ResponseFuture { inner: Answered::inner(self.inner.call(request)), json: Some(response) }
                }
                Err(status) => ResponseFuture::refuse(status),
            },
            Some(Err(name)) => ResponseFuture::refuse(Status::unknown(format!(
                "there is no codec {name:?}: use proto or json"
            ))),
        }
    }
}

/// The codec that a content type names; `None` if it is not gRPC's, a name that is nobody's as an error.
fn codec(headers: &HeaderMap) -> Option<Result<Codec, String>> {
    let value = headers.get(CONTENT_TYPE)?;
    // What nearly all say.
    if value == APPLICATION_GRPC {
        return Some(Ok(Codec::Proto));
    }
    if !is_grpc_content_type(value.as_bytes()) {
        return None;
    }
    let rest = &essence(value.as_bytes())[APPLICATION_GRPC.len()..];
    Some(match rest.strip_prefix(b"+") {
        None => Ok(Codec::Proto),
        Some(name) => Codec::from_name(name).ok_or_else(|| String::from_utf8_lossy(name).into_owned()),
    })
}

impl<S> GrpcJson<S> {
    /// The request with protobuf messages, and the message of its answers.
    fn to_proto(&self, request: Request<Body>) -> Result<(Request<Body>, Message), Status> {
        let types = self.messages.of(request.uri().path()).ok_or_else(|| {
            Status::unimplemented(format!(
                "there is no method {} whose messages can be JSON",
                request.uri().path()
            ))
        })?;
        let (mut head, body) = request.into_parts();
        let decoder = Decoder::new(self.enabled.declared(&head.headers)?, self.max_message);
        head.headers.remove(&GRPC_ENCODING);
        head.headers.remove(CONTENT_LENGTH);
        head.headers.insert(CONTENT_TYPE, APPLICATION_GRPC.clone());
        let body = recode::body(body, decoder, Direction::ToProto(types.request.clone()));
        Ok((Request::from_parts(head, body), types.response.clone()))
    }
}

/// The response with JSON messages; what is not gRPC stays as it is.
fn to_json(response: Response<Body>, kind: &Message) -> Response<Body> {
    if !is_grpc(response.headers()) {
        return response;
    }
    let (mut head, body) = response.into_parts();
    head.headers.insert(CONTENT_TYPE, Codec::Json.grpc());
    if body.is_end_stream() {
        return Response::from_parts(head, body);
    }
    head.headers.remove(CONTENT_LENGTH);
    let body = match Encoding::from_headers(&head.headers) {
        Ok(encoding) => {
            // The servicer's own messages are as large as they are.
            let decoder = Decoder::new(encoding, usize::MAX);
            recode::body(body, decoder, Direction::ToJson(kind.clone(), encoding))
        }
        Err(status) => Body::with_trailers(bytes::Bytes::new(), status.into_trailers()),
    };
    Response::from_parts(head, body)
}

pin_project! {
    /// The response of [`GrpcJson`].
    #[derive(Debug)]
    pub struct ResponseFuture<F> {
        #[pin]
        inner: Answered<F>,
        // What the answer's messages are, if they have to become JSON.
        json: Option<Message>,
    }
}

impl<F> ResponseFuture<F> {
    fn refuse(status: Status) -> Self {
        Self { inner: Answered::now(Box::new(status.into_response())), json: None }
    }
}

impl<F> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<Body>, Infallible>>,
{
    type Output = Result<Response<Body>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let Ok(response) = ready!(this.inner.poll(cx));
        Poll::Ready(Ok(match this.json {
            Some(kind) => to_json(response, kind),
            None => response,
        }))
    }
}
