//! The response future of a layer that answers some requests itself and hands the others on.
//!
//! It is *not* for a choice between two services: it boxes what the layer makes, and never what is behind it.

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::Response;
use pin_project_lite::pin_project;

use crate::Body;

pin_project! {
    /// The inner service's future, unboxed, or an answer of the layer's own.
    ///
    /// # Cancel safety
    ///
    /// Dropping it drops the call behind it.
    pub struct Answered<F> {
        #[pin]
        by: By<F>,
    }
}

type Answer = Pin<Box<dyn Future<Output = Response<Body>> + Send>>;

pin_project! {
    #[project = ByProjection]
    enum By<F> {
        Inner { #[pin] future: F },
        Layer { future: Answer },
        // Boxed, since a response would make the future of every other request large.
        Now { response: Option<Box<Response<Body>>> },
    }
}

impl<F> Answered<F> {
    /// The request was handed on.
    pub const fn inner(future: F) -> Self {
        Self { by: By::Inner { future } }
    }

    /// The layer works on an answer.
    pub fn layer(future: impl Future<Output = Response<Body>> + Send + 'static) -> Self {
        Self { by: By::Layer { future: Box::pin(future) } }
    }

    /// The layer has its answer already.
    pub const fn now(response: Box<Response<Body>>) -> Self {
        Self { by: By::Now { response: Some(response) } }
    }
}

impl<F> Future for Answered<F>
where
    F: Future<Output = Result<Response<Body>, Infallible>>,
{
    type Output = Result<Response<Body>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().by.project() {
            ByProjection::Inner { future } => future.poll(cx),
            ByProjection::Layer { future } => future.as_mut().poll(cx).map(Ok),
            ByProjection::Now { response } => {
                Poll::Ready(Ok(*response.take().expect("a future is not polled after it is done")))
            }
        }
    }
}

impl<F> fmt::Debug for Answered<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.by {
            By::Inner { .. } => "Answered::Inner",
            By::Layer { .. } => "Answered::Layer",
            By::Now { .. } => "Answered::Now",
        })
    }
}

#[cfg(test)]
mod tests {
    use std::future::{Ready, ready};

    use futures_util::FutureExt as _;

    use super::*;

    type Inner = Ready<Result<Response<Body>, Infallible>>;

    fn named(name: &'static str) -> Response<Body> {
        Response::new(Body::full(name))
    }

    #[test]
    fn each_gives_its_response() {
        for (answered, expect) in [
            (Answered::<Inner>::inner(ready(Ok(named("inner")))), "inner"),
            (Answered::layer(async { named("layer") }), "layer"),
            (Answered::now(Box::new(named("now"))), "now"),
        ] {
            let response = answered.now_or_never().unwrap().unwrap();
            let body = response.into_body().collect(10).now_or_never().unwrap().unwrap();
            assert_eq!(body.data, expect);
        }
    }

    #[test]
    fn an_own_answer_costs_the_others_two_words() {
        assert!(size_of::<Answered<[usize; 8]>>() <= size_of::<[usize; 10]>());
    }
}
