//! A panic below becomes a 500 and a logged bug, and ends nothing but its own exchange.
//!
//! It does *not* catch what a response's body does later: such a panic ends the task that sends the body, which is one
//! HTTP/2 stream or one HTTP/1 connection.

use std::any::Any;
use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{Request, Response, StatusCode};
use narthex_wire::{Body, Status, is_grpc};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use crate::dispatch::text;

/// Makes [`Catch`] services.
#[derive(Clone, Copy, Debug, Default)]
pub struct CatchLayer;

impl<S> Layer<S> for CatchLayer {
    type Service = Catch<S>;

    fn layer(&self, inner: S) -> Catch<S> {
        Catch { inner }
    }
}

/// Answers for a service that panics.
#[derive(Clone, Debug)]
pub struct Catch<S> {
    inner: S,
}

impl<S> Service<Request<Body>> for Catch<S>
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
        let grpc = is_grpc(request.headers());
        // Unwind safe: a service is its handle, cloned for each request, and this clone is not used again.
        let called = catch_unwind(AssertUnwindSafe(|| self.inner.call(request)));
        match called {
            Ok(inner) => ResponseFuture { inner: Some(inner), grpc },
            Err(panic) => {
                report(&*panic);
                ResponseFuture { inner: None, grpc }
            }
        }
    }
}

pin_project! {
    /// The response of [`Catch`].
    #[derive(Debug)]
    pub struct ResponseFuture<F> {
        // None once it has panicked.
        #[pin]
        inner: Option<F>,
        grpc: bool,
    }
}

impl<F> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<Body>, Infallible>>,
{
    type Output = Result<Response<Body>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if let Some(inner) = this.inner.as_mut().as_pin_mut() {
            // Unwind safe: a future that panicked is dropped, not polled again.
            match catch_unwind(AssertUnwindSafe(|| inner.poll(cx))) {
                Ok(polled) => return polled,
                Err(panic) => report(&*panic),
            }
            // Its destructor may panic as well; what it held is then leaked, which is the smaller harm.
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| this.inner.set(None))) {
                report(&*panic);
            }
        }
        Poll::Ready(Ok(if *this.grpc {
            Status::internal("internal error").into_response()
        } else {
            text(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")
        }))
    }
}

fn report(panic: &(dyn Any + Send)) {
    let message = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    tracing::error!(
        "bug in Narthex: a request's handling panicked ({message}); it was answered with an internal error, please report this"
    );
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use futures_util::FutureExt as _;
    use http::header::CONTENT_TYPE;

    use super::*;
    use crate::testing::{Fun, body_text};

    fn request(content_type: &str) -> Request<Body> {
        Request::builder().method("POST").header(CONTENT_TYPE, content_type).body(Body::empty()).unwrap()
    }

    #[test]
    fn a_panic_while_polled() {
        let mut service = CatchLayer.layer(Fun(|_| async { panic!("as arranged") }));
        let plain = service.call(request("text/plain")).now_or_never().unwrap().unwrap();
        assert_eq!(plain.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(body_text(plain), "Internal Server Error");
        let grpc = service.call(request("application/grpc")).now_or_never().unwrap().unwrap();
        assert_eq!(grpc.status(), StatusCode::OK);
        assert_eq!(grpc.headers()["grpc-status"], "13");
    }

    #[test]
    fn a_panic_while_called() {
        let mut service = CatchLayer.layer(Fun(|request: Request<Body>| {
            assert!(request.uri().path().is_empty(), "as arranged");
            pending::<Response<Body>>()
        }));
        let response = service.call(request("text/plain")).now_or_never().unwrap().unwrap();
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    }

    #[test]
    fn a_panic_while_dropped_after_a_panic() {
        struct Bomb;
        impl Drop for Bomb {
            fn drop(&mut self) {
                assert!(std::thread::panicking(), "the second one");
            }
        }
        let mut service = CatchLayer.layer(Fun(|_| {
            let bomb = Bomb;
            std::future::poll_fn(move |_| -> Poll<Response<Body>> {
                let _ = &bomb;
                panic!("the first one")
            })
        }));
        let response = service.call(request("text/plain")).now_or_never().unwrap().unwrap();
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    }

    #[test]
    fn what_does_not_panic_is_untouched() {
        let mut service = CatchLayer.layer(Fun(|_| ready(Response::new(Body::from("fine")))));
        assert_eq!(body_text(service.call(request("text/plain")).now_or_never().unwrap().unwrap()), "fine");
    }
}
