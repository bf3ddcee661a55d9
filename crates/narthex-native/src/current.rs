//! The stack that new requests go to, where it may be replaced. What is in flight stays with the one it came by.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use narthex_wire::Body;
use parking_lot::RwLock;
use tower_service::Service;

/// A stack for good, or one that is replaced now and then.
#[derive(Clone)]
pub(crate) enum Current<S> {
    Fixed(S),
    Renewed(Arc<RwLock<S>>),
}

impl<S> Service<Request<Body>> for Current<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = S::Future;

    /// Always ready, as the stack is.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> S::Future {
        match self {
            Self::Fixed(stack) => stack.call(request),
            Self::Renewed(stack) => {
                let mut stack = stack.read().clone();
                stack.call(request)
            }
        }
    }
}
