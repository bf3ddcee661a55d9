//! The service: which requests are gRPC-Web, and what happens to them.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue, TE};
use http::{Method, Request, Response};
use narthex_wire::{Answered, Body, Exposed, Status};
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::content_type::{ContentType, Mode};
use crate::decode::TextBody;
use crate::encode;

/// `x-grpc-web: 1` says what the content type says, and is no metadata.
const X_GRPC_WEB: HeaderName = HeaderName::from_static("x-grpc-web");

/// See [`GrpcWebLayer`](crate::GrpcWebLayer).
#[derive(Debug, Clone)]
pub struct GrpcWeb<S> {
    pub(crate) inner: S,
    pub(crate) exposed: Exposed,
}

impl<S> Service<Request<Body>> for GrpcWeb<S>
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
        let sent = match ContentType::of(request.headers()) {
            Some(sent) if request.method() == Method::POST => sent,
            _ => return ResponseFuture { inner: Answered::inner(self.inner.call(request)), answer: None },
        };
        let answer = Some(sent.clone().of_answer(request.headers()));
        if !self.exposed.allows(request.uri().path()) {
            let hidden = Status::unimplemented("Method not found!").into_response();
            return ResponseFuture { inner: Answered::now(Box::new(hidden)), answer };
        }
        ResponseFuture { inner: Answered::inner(self.inner.call(to_grpc(request, &sent))), answer }
    }
}

fn to_grpc(mut request: Request<Body>, sent: &ContentType) -> Request<Body> {
    let headers = request.headers_mut();
    headers.insert(CONTENT_TYPE, sent.to_grpc());
    headers.insert(TE, HeaderValue::from_static("trailers"));
    headers.remove(X_GRPC_WEB);
    if sent.mode == Mode::Binary {
        return request;
    }
    headers.remove(CONTENT_LENGTH);
    request.map(|body| Body::new(TextBody::new(body)))
}

pin_project! {
    /// The response of [`GrpcWeb`].
    #[derive(Debug)]
    pub struct ResponseFuture<F> {
        #[pin]
        inner: Answered<F>,
        // None if the request was not gRPC-Web.
        answer: Option<ContentType>,
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
        Poll::Ready(Ok(match this.answer {
            Some(answer) => encode::from_grpc(response, answer),
            None => response,
        }))
    }
}
