//! Methods that are not public as gRPC: to its clients they do not exist.
//!
//! It stands before the translations, so what they make of other protocols' requests does not pass it: each of these has a
//! list of its own.

use std::convert::Infallible;
use std::task::{Context, Poll};

use http::{Request, Response};
use narthex_wire::{Answered, Body, Exposed, Status, is_grpc};
use tower_layer::Layer;
use tower_service::Service;

/// Makes [`Hide`] services.
#[derive(Clone, Debug)]
pub struct HideLayer {
    exposed: Exposed,
}

impl HideLayer {
    /// Of gRPC, only calls of these methods pass.
    pub fn new(exposed: Exposed) -> Self {
        Self { exposed }
    }
}

impl<S> Layer<S> for HideLayer {
    type Service = Hide<S>;

    fn layer(&self, inner: S) -> Hide<S> {
        Hide { inner, exposed: self.exposed.clone() }
    }
}

/// Answers gRPC calls of hidden methods as if there were none.
#[derive(Clone, Debug)]
pub struct Hide<S> {
    inner: S,
    exposed: Exposed,
}

impl<S> Service<Request<Body>> for Hide<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answered<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        if is_grpc(request.headers()) && !self.exposed.allows(request.uri().path()) {
            return Answered::now(Box::new(Status::unimplemented("Method not found!").into_response()));
        }
        Answered::inner(self.inner.call(request))
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use http::header::CONTENT_TYPE;
    use narthex_wire::Selector;

    use super::*;
    use crate::testing::Named;

    #[test]
    fn only_calls_of_hidden_methods_are_answered_here() {
        let exposed = Exposed::from_iter([Selector::parse("s.S/Shown").unwrap()]);
        let mut service = HideLayer::new(exposed).layer(Named("behind"));
        for (path, content_type, hidden) in [
            ("/s.S/Shown", "application/grpc", false),
            ("/s.S/Hidden", "application/grpc+proto", true),
            ("/s.S/Hidden", "application/grpc-web", false),
            ("/s.S/Hidden", "application/json", false),
        ] {
            let request = Request::post(path).header(CONTENT_TYPE, content_type).body(Body::empty()).unwrap();
            let response = service.call(request).now_or_never().unwrap().unwrap();
            let status = response.headers().get("grpc-status").map(|value| value.to_str().unwrap());
            assert_eq!(status, hidden.then_some("12"), "{path} {content_type}");
        }
    }
}
