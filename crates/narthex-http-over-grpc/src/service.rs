//! The layer and its service: one method for the application, everything else for the gRPC services.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use narthex_wire::{Answered, Body, Carried, Code, Flow, Origin, Status, Trusted, is_grpc, read_unary};
use tower_layer::Layer;
use tower_service::Service;

use crate::http_body::HttpBody;
use crate::request::RequestLine;
use crate::{METHOD_PATH, request, response};

/// What HttpBody may hold beside its data: the content type, and the query that Envoy repeats as an extension.
const ALLOWANCE: usize = 256 * 1024;

/// The default of [`HttpOverGrpcLayer::max_response`].
const MAX_RESPONSE: usize = 64 * 1024 * 1024;

/// Puts [`HttpOverGrpc`] in front of gRPC services.
#[derive(Clone, Debug)]
pub struct HttpOverGrpcLayer<A> {
    app: A,
    limits: Arc<Limits>,
}

#[derive(Clone, Debug)]
struct Limits {
    trusted: Trusted,
    max_body: usize,
    max_response: usize,
}

impl<A> HttpOverGrpcLayer<A> {
    /// A layer that hands requests of at most `max_body` bytes from trusted peers to `app`.
    pub fn new(app: A, trusted: Trusted, max_body: usize) -> Self {
        Self { app, limits: Arc::new(Limits { trusted, max_body, max_response: MAX_RESPONSE }) }
    }

    /// Sets how large a response may be, since it is held in memory whole; 64 MiB unless set.
    #[must_use]
    pub fn max_response(mut self, bytes: usize) -> Self {
        self.limits = Arc::new(Limits { max_response: bytes, ..(*self.limits).clone() });
        self
    }
}

impl<S, A: Clone> Layer<S> for HttpOverGrpcLayer<A> {
    type Service = HttpOverGrpc<S, A>;

    fn layer(&self, inner: S) -> Self::Service {
        HttpOverGrpc { inner, app: self.app.clone(), limits: Arc::clone(&self.limits) }
    }
}

/// Hands the HTTP request inside a call of [`METHOD_PATH`] to the application.
///
/// Any other request is the inner service's, and so is this one from a peer that is not trusted: to it the method does
/// not exist, in the words of whoever answers unknown methods.
///
/// Whoever may call the method chooses the method and path that the application sees, past whatever an HTTP proxy in front
/// forbids. So trust is in the connection's real peer.
#[derive(Clone, Debug)]
pub struct HttpOverGrpc<S, A> {
    inner: S,
    app: A,
    limits: Arc<Limits>,
}

impl<S, A> HttpOverGrpc<S, A> {
    fn is_ours(&self, request: &Request<Body>) -> bool {
        request.uri().path() == METHOD_PATH
            && request.method() == Method::POST
            && is_grpc(request.headers())
            && request
                .extensions()
                .get::<Origin>()
                .is_some_and(|origin| self.limits.trusted.endpoint(&origin.connection.peer))
    }
}

impl<S, A> Service<Request<Body>> for HttpOverGrpc<S, A>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    A: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    A::Future: Send,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        ready!(self.inner.poll_ready(cx))?;
        self.app.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        if !self.is_ours(&request) {
            return ResponseFuture::inner(self.inner.call(request));
        }
        ResponseFuture::layer(answer(self.app.clone(), Arc::clone(&self.limits), request))
    }
}

async fn answer<A>(app: A, limits: Arc<Limits>, request: Request<Body>) -> Response<Body>
where
    A: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
{
    let (head, body) = request.into_parts();
    let mut response = match RequestLine::read(&head.headers) {
        Ok(line) => {
            let RequestLine { method, target } = line.clone();
            let (status, mut response) = match handle(app, &limits, line, head, body).await {
                Ok(answer) => answer,
                // The status that Envoy makes of it.
                Err(status) => (status.code().http(), status.into_response()),
            };
            response.extensions_mut().insert(Carried { method, target: Some(target), status });
            response
        }
        Err(status) => status.into_response(),
    };
    response.extensions_mut().insert(Flow::HttpOverGrpc);
    response
}

/// The HTTP response's status, and the reply that carries it.
async fn handle<A>(
    mut app: A,
    limits: &Limits,
    line: RequestLine,
    head: Parts,
    body: Body,
) -> Result<(StatusCode, Response<Body>), Status>
where
    A: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
{
    let limit = limits.max_body.saturating_add(ALLOWANCE);
    let message = match read_unary(body, &head.headers, limit).await {
        Ok(message) => HttpBody::decode(&message)?,
        Err(status) if status.code() == Code::ResourceExhausted => return Ok(too_large()),
        Err(status) => return Err(status),
    };
    if message.data.len() > limits.max_body {
        return Ok(too_large());
    }
    let method = line.method.clone();
    let request = request::unwrap(head, line, message)?;
    let Ok(response) = app.call(request).await;
    let status = response.status();
    Ok((status, response::wrap(&method, response, limits.max_response).await?))
}

/// A success of the call, whose HTTP response is 413: `RESOURCE_EXHAUSTED` would reach the browser as 429, which asks it
/// to try again later.
fn too_large() -> (StatusCode, Response<Body>) {
    let status = StatusCode::PAYLOAD_TOO_LARGE;
    (status, response::refuse(status, "Content Too Large\n"))
}

/// The response of [`HttpOverGrpc`].
pub type ResponseFuture<F> = Answered<F>;
