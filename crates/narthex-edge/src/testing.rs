//! What the unit tests of the layers share.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::task::{Context, Poll};

use futures_util::FutureExt as _;
use http::{Request, Response};
use narthex_wire::Body;
use tower_service::Service;

/// Answers every request with its name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Named(pub(crate) &'static str);

impl Service<Request<Body>> for Named {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Body>) -> Self::Future {
        ready(Ok(Response::new(Body::from(self.0))))
    }
}

/// A service made of a function, in any state of completion.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fun<F>(pub(crate) F);

impl<F, R> Service<Request<Body>> for Fun<F>
where
    F: FnMut(Request<Body>) -> R,
    R: Future<Output = Response<Body>>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = futures_util::future::Map<R, fn(Response<Body>) -> Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        (self.0)(request).map(Ok)
    }
}

/// A response's whole body, which must not wait for anything.
pub(crate) fn body_text(response: Response<Body>) -> String {
    let collected =
        response.into_body().collect(usize::MAX).now_or_never().expect("the body is there").unwrap();
    String::from_utf8(collected.data.to_vec()).unwrap()
}

/// Drives a reactor on this thread until a future is ready.
pub(crate) fn run<T: Send + 'static>(
    reactor: &narthex_reactor::Reactor,
    future: impl Future<Output = T> + Send + 'static,
) -> T {
    let task = reactor.spawn(future);
    let done = || task.is_finished();
    reactor.driver().run_until_asked(done);
    task.now_or_never().expect("it is finished")
}
