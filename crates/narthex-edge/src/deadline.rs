//! A gRPC call's own deadline: when it passes, the call is given up and its caller told so.
//!
//! It counts from the request's arrival, not from when somebody found time for it. A request that is not gRPC, or sets no
//! `grpc-timeout`, passes at the price of two header lookups. It is *not* a limit that the server sets.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body as HttpBody, Frame, SizeHint};
use narthex_reactor::{Reactor, Sleep, Task};
use narthex_wire::{Body, BoxError, Origin, Status, is_grpc, timeout};
use parking_lot::Mutex;
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

/// Makes [`Deadline`] services.
#[derive(Clone, Debug)]
pub struct DeadlineLayer {
    reactor: Reactor,
}

impl DeadlineLayer {
    /// Deadlines are timers of this reactor.
    pub fn new(reactor: &Reactor) -> Self {
        Self { reactor: reactor.clone() }
    }
}

impl<S> Layer<S> for DeadlineLayer {
    type Service = Deadline<S>;

    fn layer(&self, inner: S) -> Deadline<S> {
        Deadline { inner, reactor: self.reactor.clone() }
    }
}

/// Gives gRPC calls up at their deadline.
#[derive(Clone, Debug)]
pub struct Deadline<S> {
    inner: S,
    reactor: Reactor,
}

impl<S> Service<Request<Body>> for Deadline<S>
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
        let sleep =
            deadline(&request).map(|deadline| (self.reactor.sleep_until(deadline), self.reactor.clone()));
        ResponseFuture { inner: Some(self.inner.call(request)), sleep }
    }
}

/// When this request's caller stops waiting; none if it waits for ever, or longer than the clock can tell.
fn deadline(request: &Request<Body>) -> Option<Instant> {
    if !is_grpc(request.headers()) {
        return None;
    }
    let timeout = timeout::parse(request.headers())?;
    let origin = request.extensions().get();
    let arrival = origin.map_or_else(Instant::now, |origin: &Origin| origin.arrival);
    arrival.checked_add(timeout)
}

fn exceeded() -> Status {
    // In the words of grpc's clients, whose own clock may be a little behind.
    Status::deadline_exceeded("Deadline Exceeded")
}

pin_project! {
    /// The response of [`Deadline`].
    #[derive(Debug)]
    pub struct ResponseFuture<F> {
        // None once it was given up.
        #[pin]
        inner: Option<F>,
        // And whose timer it is, for a body.
        sleep: Option<(Sleep, Reactor)>,
    }
}

impl<F> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<Body>, Infallible>>,
{
    type Output = Result<Response<Body>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let inner = this.inner.as_mut().as_pin_mut().expect("polled again after it was ready");
        if let Poll::Ready(Ok(response)) = inner.poll(cx) {
            let Some((sleep, reactor)) = this.sleep.take() else { return Poll::Ready(Ok(response)) };
            // What is in memory has met its deadline.
            if response.body().is_buffered() {
                return Poll::Ready(Ok(response));
            }
            return Poll::Ready(Ok(response.map(|body| Body::new(Cut::new(body, sleep, &reactor)))));
        }
        let late = this.sleep.as_mut().is_some_and(|(sleep, _)| Pin::new(sleep).poll(cx).is_ready());
        if !late {
            return Poll::Pending;
        }
        // Dropped before the answer goes out: whoever works on it is told first.
        this.inner.set(None);
        Poll::Ready(Ok(exceeded().into_response()))
    }
}

/// A response's body that ends with a status when its time is up.
///
/// A body is only polled while its client has room for more, so a task of its own waits for the deadline and gives up on what
/// is behind it then, whether the client makes room or not.
struct Cut {
    limited: Arc<Mutex<Limited>>,
    /// Cancelled when this is dropped.
    _deadline: Task<()>,
}

/// What a body and its deadline share.
struct Limited {
    state: State,
    waker: Option<Waker>,
}

enum State {
    InTime(Body),
    /// The client is to be told.
    Late,
    Ended,
}

impl Cut {
    fn new(body: Body, sleep: Sleep, reactor: &Reactor) -> Self {
        let limited = Arc::new(Mutex::new(Limited { state: State::InTime(body), waker: None }));
        let at_deadline = Arc::clone(&limited);
        let deadline = reactor.spawn(async move {
            sleep.await;
            let mut limited = at_deadline.lock();
            if !matches!(limited.state, State::InTime(_)) {
                return;
            }
            let body = std::mem::replace(&mut limited.state, State::Late);
            let waker = limited.waker.take();
            drop(limited);
            // Before the client hears of it: whoever works on the answer is told first.
            drop(body);
            waker.into_iter().for_each(Waker::wake);
        });
        Self { limited, _deadline: deadline }
    }
}

impl HttpBody for Cut {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let mut limited = self.limited.lock();
        match &mut limited.state {
            State::InTime(body) => {
                let frame = Pin::new(body).poll_frame(cx);
                match &frame {
                    Poll::Ready(Some(_)) => {}
                    Poll::Ready(None) => limited.state = State::Ended,
                    Poll::Pending => limited.waker = Some(cx.waker().clone()),
                }
                frame
            }
            State::Late => {
                limited.state = State::Ended;
                Poll::Ready(Some(Ok(Frame::trailers(exceeded().into_trailers()))))
            }
            State::Ended => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.limited.lock().state {
            State::InTime(body) => body.is_end_stream(),
            State::Late => false,
            State::Ended => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.limited.lock().state {
            State::InTime(body) => body.size_hint(),
            State::Late | State::Ended => SizeHint::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    use http::header::CONTENT_TYPE;
    use narthex_wire::{Connection, Endpoint};

    use super::*;
    use crate::testing::{Fun, run};

    fn request(content_type: &str, timeout: &str) -> Request<Body> {
        let mut request = Request::post("/s/M").header(CONTENT_TYPE, content_type);
        if !timeout.is_empty() {
            request = request.header("grpc-timeout", timeout);
        }
        request.body(Body::empty()).unwrap()
    }

    struct Told(Arc<AtomicBool>);

    impl Drop for Told {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    /// A body that never gets anywhere.
    struct Stuck;

    impl HttpBody for Stuck {
        type Data = Bytes;
        type Error = BoxError;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
            Poll::Pending
        }
    }

    #[test]
    fn a_call_is_given_up_at_its_deadline() {
        let reactor = Reactor::new().unwrap();
        let told = Arc::new(AtomicBool::new(false));
        let guard = Arc::clone(&told);
        let mut service = DeadlineLayer::new(&reactor).layer(Fun(move |_| {
            let guard = Told(Arc::clone(&guard));
            async move {
                let _guard = guard;
                pending::<Response<Body>>().await
            }
        }));
        let call = service.call(request("application/grpc+proto", "5m"));
        let response = run(&reactor, call).unwrap();
        assert!(told.load(Ordering::Relaxed));
        assert_eq!(response.headers()["grpc-status"], "4");
    }

    #[test]
    fn a_deadline_counts_from_arrival() {
        let reactor = Reactor::new().unwrap();
        let mut service = DeadlineLayer::new(&reactor).layer(Fun(|_| pending::<Response<Body>>()));
        let mut late = request("application/grpc", "60S");
        let endpoint = Endpoint::Unix(None);
        let connection = Arc::new(Connection::plain(endpoint.clone(), endpoint));
        let arrival = Instant::now().checked_sub(Duration::from_secs(61)).unwrap();
        late.extensions_mut().insert(Origin { arrival, ..Origin::of(&connection) });
        let response = run(&reactor, service.call(late)).unwrap();
        assert_eq!(response.headers()["grpc-status"], "4");
    }

    #[test]
    fn a_stream_is_cut_with_trailers() {
        let reactor = Reactor::new().unwrap();
        let mut service = DeadlineLayer::new(&reactor).layer(Fun(|_| ready(Response::new(Body::new(Stuck)))));
        let call = service.call(request("application/grpc", "5m"));
        let collected =
            run(&reactor, async move { call.await.unwrap().into_body().collect(10).await }).unwrap();
        assert_eq!(collected.trailers.unwrap()["grpc-status"], "4");
    }

    #[test]
    fn a_stream_whose_client_makes_no_room_is_given_up_all_the_same() {
        let reactor = Reactor::new().unwrap();
        let told = Arc::new(AtomicBool::new(false));
        let guard = Arc::clone(&told);
        let mut service = DeadlineLayer::new(&reactor).layer(Fun(move |_| {
            let body = Body::new(Held { _guard: Told(Arc::clone(&guard)) });
            ready(Response::new(body))
        }));
        let call = service.call(request("application/grpc", "5m"));
        let (sleep, seen) = (reactor.sleep(Duration::from_millis(50)), Arc::clone(&told));
        run(&reactor, async move {
            let unread = call.await.unwrap();
            sleep.await;
            assert!(seen.load(Ordering::Relaxed), "nobody polled it, and still it was dropped");
            drop(unread);
        });
    }

    /// A body that never gets anywhere, and tells when it is dropped.
    struct Held {
        _guard: Told,
    }

    impl HttpBody for Held {
        type Data = Bytes;
        type Error = BoxError;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
            Poll::Pending
        }
    }

    #[test]
    fn without_a_deadline_there_is_no_timer() {
        for (content_type, timeout) in [
            ("application/json", "1n"),
            ("application/grpc", ""),
            ("application/grpc", "nonsense"),
            ("application/grpc-web", "1n"),
        ] {
            assert_eq!(deadline(&request(content_type, timeout)), None, "{content_type} {timeout}");
        }
        assert!(deadline(&request("application/grpc", "99999999H")).is_some());
    }

    #[test]
    fn an_answer_in_time_is_untouched() {
        let reactor = Reactor::new().unwrap();
        let mut service = DeadlineLayer::new(&reactor).layer(Fun(|_| ready(Response::new(Body::from("x")))));
        let call = service.call(request("application/grpc", "1H"));
        assert!(run(&reactor, call).unwrap().body().is_buffered());
    }
}
