//! The service: which requests are Connect's, and what happens to them.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::header::{ALLOW, HeaderName, HeaderValue, VARY};
use http::{Request, Response, StatusCode};
use narthex_wire::{Answered, Body, Codec, Flow, Status};
use tower_service::Service;

use crate::layer::Shared;
use crate::methods::Shape;
use crate::query::Query;
use crate::request::{Call, Unsupported};
use crate::{stream, unary};

/// See [`ConnectLayer`](crate::ConnectLayer).
#[derive(Debug, Clone)]
pub struct Connect<S> {
    pub(crate) inner: S,
    pub(crate) shared: Arc<Shared>,
}

impl<S> Service<Request<Body>> for Connect<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        match Call::of(&request, &self.shared.methods) {
            None => ResponseFuture::inner(self.inner.call(request)),
            Some(Call::Unsupported(why)) => ResponseFuture::now(Box::new(unsupported(why))),
            Some(call) => {
                // A clone goes along, since a body may be read before the call; the one that is ready is used up.
                let clone = self.inner.clone();
                let ready = std::mem::replace(&mut self.inner, clone);
                ResponseFuture::layer(answer(ready, request, call, Arc::clone(&self.shared)))
            }
        }
    }
}

/// The response of [`Connect`].
pub type ResponseFuture<F> = Answered<F>;

async fn answer<S>(mut inner: S, request: Request<Body>, call: Call, shared: Arc<Shared>) -> Response<Body>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
{
    let (codec, request) = match call {
        Call::Unary(codec) => {
            let (head, body) = request.into_parts();
            (codec, unary::post(head, body, codec, &shared).await)
        }
        Call::Get => match Query::read(request.uri().query().unwrap_or_default()) {
            Ok(Some(query)) => (query.codec, unary::get(request.into_parts().0, query, &shared)),
            Ok(None) => return unsupported(Unsupported::MediaType(Shape::Unary { safe: true })),
            // The answer is an error, which is JSON in any case.
            Err(status) => (Codec::Json, Err(status)),
        },
        Call::Stream(codec) => (codec, stream::to_grpc(request, codec)),
        Call::Unsupported(why) => return unsupported(why),
    };
    let response = match request {
        Ok(request) => {
            let Ok(response) = inner.call(request).await;
            response
        }
        Err(status) => Status::into_response(status),
    };
    if let Call::Stream(_) = call {
        return stream::from_grpc(response, codec, &shared);
    }
    let mut response = unary::from_grpc(response, codec, &shared).await;
    if call == Call::Get {
        // The answer to a GET may be kept, for clients that do not read what this one reads.
        response.headers_mut().append(VARY, HeaderValue::from_static("accept-encoding"));
    }
    response
}

/// HTTP's own words: a client that gets these calls in a way that its protocol does not have.
fn unsupported(why: Unsupported) -> Response<Body> {
    let (status, name, value) = match why {
        Unsupported::MediaType(Shape::Unary { .. }) => (
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            HeaderName::from_static("accept-post"),
            "application/json, application/proto",
        ),
        Unsupported::MediaType(Shape::Stream) => (
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            HeaderName::from_static("accept-post"),
            "application/connect+json, application/connect+proto",
        ),
        Unsupported::Method => (StatusCode::METHOD_NOT_ALLOWED, ALLOW, "POST"),
    };
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response.headers_mut().insert(name, HeaderValue::from_static(value));
    response.extensions_mut().insert(Flow::Connect);
    response
}
