//! Runs a test's future, and makes the calls.

use bytes::Bytes;
use futures_util::FutureExt as _;
use http::{HeaderMap, Request, Response};
use narthex_reactor::Reactor;
use narthex_upstream::{Options, Trust, Upstream};
use narthex_wire::{Body, Code, Status, envelope};

/// Drives a reactor on this thread until the test's future is ready.
pub(crate) fn run<T, F>(test: impl FnOnce(Reactor) -> F) -> T
where
    F: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    let reactor = Reactor::new().unwrap();
    let task = reactor.spawn(test(reactor.clone()));
    reactor.driver().run_until_asked(|| task.is_finished());
    let result = task.now_or_never().expect("it is finished");
    reactor.close();
    result
}

pub(crate) fn upstream(reactor: &Reactor, address: &str, options: Options) -> Upstream {
    Upstream::new(reactor, address.parse().unwrap(), Trust::default(), options)
}

pub(crate) fn request(method: &str, body: impl Into<Body>) -> Request<Body> {
    Request::post(format!("/t.T/{method}"))
        .header("content-type", "application/grpc+proto")
        .header("te", "trailers")
        .body(body.into())
        .unwrap()
}

/// An answer in full.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) headers: HeaderMap,
    pub(crate) data: Bytes,
    pub(crate) status: Status,
}

impl Answer {
    pub(crate) async fn of(response: Response<Body>) -> Self {
        let (head, body) = response.into_parts();
        assert_eq!(head.status, 200);
        let collected = body.collect(usize::MAX).await.unwrap();
        let trailers = collected.trailers.as_deref().unwrap_or(&head.headers);
        let status = Status::from_trailers(trailers).expect("a call has a status");
        Self { headers: head.headers, data: collected.data, status }
    }

    #[track_caller]
    pub(crate) fn assert_fails(&self, code: Code, words: &str) {
        assert_eq!(self.status.code(), code, "{:?}", self.status);
        assert!(self.status.message().contains(words), "{:?}", self.status);
    }
}

pub(crate) async fn call(upstream: &Upstream, method: &str, message: &[u8]) -> Answer {
    let body = Body::full(envelope::encode(message));
    Answer::of(upstream.clone().forward(request(method, body)).await).await
}

/// Proves that the upstream serves.
pub(crate) async fn assert_serves(upstream: &Upstream) {
    let answer = call(upstream, "Echo", b"hello").await;
    assert_eq!((answer.status.code(), &*answer.data), (Code::Ok, &*envelope::encode(b"hello")));
}
