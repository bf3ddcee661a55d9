//! The future of a response.

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::Response;
use narthex_wire::Body;
use pin_project_lite::pin_project;

pin_project! {
    /// The response of [`Transcode`](crate::Transcode).
    ///
    /// # Cancel safety
    ///
    /// Dropping it drops the call behind it.
    pub struct ResponseFuture<F> {
        #[pin]
        state: State<F>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F> {
        // Not ours: nothing is added to the inner service's own future.
        Forward { #[pin] future: F },
        Ready { response: Option<Response<Body>> },
        Transcode { future: Pin<Box<dyn Future<Output = Response<Body>> + Send>> },
    }
}

impl<F> ResponseFuture<F> {
    pub(crate) fn forward(future: F) -> Self {
        Self { state: State::Forward { future } }
    }

    pub(crate) fn ready(response: Response<Body>) -> Self {
        Self { state: State::Ready { response: Some(response) } }
    }

    pub(crate) fn transcode(future: impl Future<Output = Response<Body>> + Send + 'static) -> Self {
        Self { state: State::Transcode { future: Box::pin(future) } }
    }
}

impl<F> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<Body>, Infallible>>,
{
    type Output = Result<Response<Body>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProj::Forward { future } => future.poll(cx),
            StateProj::Ready { response } => {
                Poll::Ready(Ok(response.take().expect("a future is not polled after it is done")))
            }
            StateProj::Transcode { future } => future.as_mut().poll(cx).map(Ok),
        }
    }
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.state {
            State::Forward { .. } => "ResponseFuture::Forward",
            State::Ready { .. } => "ResponseFuture::Ready",
            State::Transcode { .. } => "ResponseFuture::Transcode",
        })
    }
}
