//! The access log: one line for each exchange, written when its response has ended.
//!
//! It sits near the top of the stack and so sees what the client really sent and got. Switched off it costs one test. It
//! is *not* where requests get their extensions: the connection puts those in.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, Request, Response};
use http_body::{Body as HttpBody, Frame, SizeHint};
use narthex_wire::{Body, BoxError};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use crate::access_log::Line;

/// Makes [`Observe`] services.
#[derive(Clone, Copy, Debug)]
pub struct ObserveLayer {
    access_log: bool,
}

impl ObserveLayer {
    /// With or without the access log (target `narthex::access`, level info).
    pub const fn new(access_log: bool) -> Self {
        Self { access_log }
    }
}

impl<S> Layer<S> for ObserveLayer {
    type Service = Observe<S>;

    fn layer(&self, inner: S) -> Observe<S> {
        Observe { inner, access_log: self.access_log }
    }
}

/// Writes a line to the access log for each exchange.
#[derive(Clone, Debug)]
pub struct Observe<S> {
    inner: S,
    access_log: bool,
}

impl<S> Service<Request<Body>> for Observe<S>
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
        let line = self.access_log.then(|| Box::new(Line::new(&request)));
        ResponseFuture { inner: self.inner.call(request), line }
    }
}

pin_project! {
    /// The response of [`Observe`].
    #[derive(Debug)]
    pub struct ResponseFuture<F> {
        #[pin]
        inner: F,
        line: Option<Box<Line>>,
    }
}

impl<F> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<Body>, Infallible>>,
{
    type Output = Result<Response<Body>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let Poll::Ready(Ok(response)) = this.inner.poll(cx) else { return Poll::Pending };
        let Some(mut line) = this.line.take() else { return Poll::Ready(Ok(response)) };
        line.head(&response);
        let left = declared_length(response.headers());
        // What is in memory is as good as sent: no need to follow it. Nor is there anything to follow in what is empty.
        if response.body().is_buffered() || left == Some(0) {
            line.grpc(response.body().buffered_trailers());
            line.end();
            return Poll::Ready(Ok(response));
        }
        Poll::Ready(Ok(response.map(|inner| Body::new(Observed { inner, line, left }))))
    }
}

fn declared_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// A response's body that ends its line in the log when it ends.
struct Observed {
    inner: Body,
    line: Box<Line>,
    /// What is to come of a declared length. A body that has reached it is complete: HTTP/1 does not ask for its end then.
    left: Option<u64>,
}

impl HttpBody for Observed {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let Poll::Ready(frame) = Pin::new(&mut self.inner).poll_frame(cx) else { return Poll::Pending };
        match &frame {
            Some(Ok(frame)) => {
                self.line.grpc(frame.trailers_ref());
                let length = frame.data_ref().map_or(0, Bytes::len) as u64;
                self.left = self.left.map(|left| left.saturating_sub(length));
                if frame.is_trailers() || self.left == Some(0) || self.inner.is_end_stream() {
                    self.line.end();
                }
            }
            Some(Err(_)) => {}
            None => self.line.end(),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::{self, Write as _};
    use std::sync::Arc;

    use futures_util::FutureExt as _;
    use http::header::CONTENT_TYPE;
    use http::{Method, StatusCode, Version};
    use narthex_reactor::Reactor;
    use narthex_wire::{Carried, Code, Connection, Endpoint, Flow, Origin, Outcome, Status};
    use parking_lot::Mutex;
    use tracing::field::{Field, Visit};
    use tracing::span;

    use super::*;
    use crate::config::Config;
    use crate::date::Date;
    use crate::drain::Roll;
    use crate::state::{Common, Fault, Faults, State};
    use crate::testing::{Fun, Named};

    /// Keeps the lines of the access log.
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<String>>>);

    impl tracing::Subscriber for Lines {
        fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
            true
        }

        fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
            span::Id::from_u64(1)
        }

        fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

        fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

        fn event(&self, event: &tracing::Event<'_>) {
            struct Message(String);
            impl Visit for Message {
                fn record_debug(&mut self, _: &Field, value: &dyn fmt::Debug) {
                    let _ = write!(self.0, "{value:?}");
                }
            }
            let mut message = Message(String::new());
            event.record(&mut message);
            assert_eq!(event.metadata().target(), "narthex::access");
            self.0.lock().push(message.0);
        }

        fn enter(&self, _: &span::Id) {}

        fn exit(&self, _: &span::Id) {}
    }

    impl Lines {
        /// The lines with their durations taken out.
        fn take(&self) -> Vec<String> {
            let strip = |line: String| {
                let words = line.split(' ').filter(|word| !word.ends_with("ms"));
                words.collect::<Vec<_>>().join(" ")
            };
            std::mem::take(&mut *self.0.lock()).into_iter().map(strip).collect()
        }
    }

    fn request(uri: &str) -> Request<Body> {
        let mut request = Request::get(uri).body(Body::empty()).unwrap();
        let peer = Endpoint::Tcp("127.0.0.1:5000".parse().unwrap());
        let connection = Connection::plain(peer.clone(), peer);
        request.extensions_mut().insert(Origin::of(&Arc::new(connection)));
        request
    }

    fn state(request: &Request<Body>) -> Arc<State> {
        let common = Common {
            config: Config::default(),
            reactor: Reactor::new().unwrap(),
            roll: Roll::new(),
            date: Date::default(),
        };
        let origin: &Origin = request.extensions().get().unwrap();
        State::new(Arc::new(common), Arc::clone(&origin.connection), false, false)
    }

    fn grpc(body: Body) -> Response<Body> {
        Response::builder().header(CONTENT_TYPE, "application/grpc").body(body).unwrap()
    }

    /// A body of one frame that is not known to be the last.
    struct Stream(Option<Frame<Bytes>>);

    impl HttpBody for Stream {
        type Data = Bytes;
        type Error = BoxError;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
            Poll::Ready(self.0.take().map(Ok))
        }
    }

    /// The lines logged for this answer, before and after its body is read.
    fn log(
        access_log: bool,
        uri: &str,
        answer: impl Fn() -> Response<Body> + Copy,
    ) -> (Vec<String>, Vec<String>) {
        let lines = Lines::default();
        tracing::subscriber::with_default(lines.clone(), || {
            let mut service = ObserveLayer::new(access_log).layer(Fun(move |_| async move { answer() }));
            let response = service.call(request(uri)).now_or_never().unwrap().unwrap();
            let before = lines.take();
            response.into_body().collect(1000).now_or_never().unwrap().unwrap();
            (before, lines.take())
        })
    }

    #[test]
    fn what_is_in_memory_is_logged_at_once() {
        let (before, after) = log(true, "/pa\"th?q", || Response::new(Body::from("x")));
        assert_eq!(before, ["127.0.0.1:5000 - \"GET /pa%22th?q HTTP/1.1\" 200 http"]);
        assert!(after.is_empty());
        let (before, _) = log(true, "/\u{9b}2J?\u{2028}\u{e4}%20", || Response::new(Body::from("x")));
        assert_eq!(before, ["127.0.0.1:5000 - \"GET /%C2%9B2J?%E2%80%A8%C3%A4%20 HTTP/1.1\" 200 http"]);
        let (before, _) = log(true, "/", || Status::not_found("").into_response());
        assert_eq!(before, ["127.0.0.1:5000 - \"GET / HTTP/1.1\" 200 grpc NOT_FOUND"]);
        let unary = || grpc(Body::with_trailers(Bytes::from_static(b"x"), Status::ok().into_trailers()));
        assert_eq!(log(true, "/", unary).0, ["127.0.0.1:5000 - \"GET / HTTP/1.1\" 200 grpc OK"]);
    }

    #[test]
    fn of_http_over_grpc_the_request_inside_is_logged() {
        let carrying = || {
            let mut response =
                grpc(Body::with_trailers(Bytes::from_static(b"x"), Status::ok().into_trailers()));
            let target = Some("/admin/?q".parse().unwrap());
            let carried = Carried { method: Method::PUT, target, status: StatusCode::FOUND };
            response.extensions_mut().insert(carried);
            response.extensions_mut().insert(Flow::HttpOverGrpc);
            response
        };
        let (before, _) = log(true, "/narthex.asgi.v1.AsgiService/Handler", carrying);
        assert_eq!(before, ["127.0.0.1:5000 - \"PUT /admin/?q HTTP/1.1\" 302 http-over-grpc OK"]);
    }

    #[test]
    fn a_stream_is_logged_at_its_end() {
        let trailers = || grpc(Body::new(Stream(Some(Frame::trailers(Status::aborted("").into_trailers())))));
        let (before, after) = log(true, "/", trailers);
        assert!(before.is_empty());
        assert_eq!(after, ["127.0.0.1:5000 - \"GET / HTTP/1.1\" 200 grpc ABORTED"]);
        let plain = || Response::new(Body::new(Stream(Some(Frame::data(Bytes::from_static(b"x"))))));
        assert_eq!(log(true, "/", plain).1, ["127.0.0.1:5000 - \"GET / HTTP/1.1\" 200 http"]);
    }

    #[test]
    fn a_declared_length_that_is_reached_is_the_end() {
        for (length, end) in [(0, ""), (1, ""), (2, " aborted")] {
            let lines = Lines::default();
            tracing::subscriber::with_default(lines.clone(), || {
                let mut service = ObserveLayer::new(true).layer(Fun(move |_| async move {
                    let body = Body::new(Stream(Some(Frame::data(Bytes::from_static(b"x")))));
                    Response::builder().header(CONTENT_LENGTH, length).body(body).unwrap()
                }));
                let response = service.call(request("/")).now_or_never().unwrap().unwrap();
                let mut body = response.into_body();
                let frame = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx));
                drop(frame.now_or_never());
                drop(body);
            });
            assert_eq!(lines.take(), [format!("127.0.0.1:5000 - \"GET / HTTP/1.1\" 200 http{end}")]);
        }
    }

    #[test]
    fn what_a_translation_hides_it_tells_in_another_way() {
        let translated = || {
            let outcome = Outcome::default();
            outcome.set(Code::NotFound);
            let mut response = Response::new(Body::from("x"));
            response.extensions_mut().insert(Flow::Connect);
            response.extensions_mut().insert(outcome);
            response
        };
        let (before, _) = log(true, "/s/M", translated);
        assert_eq!(before, ["127.0.0.1:5000 - \"GET /s/M HTTP/1.1\" 200 connect NOT_FOUND"]);
    }

    #[test]
    fn what_is_dropped_is_aborted() {
        let lines = Lines::default();
        tracing::subscriber::with_default(lines.clone(), || {
            let mut service =
                ObserveLayer::new(true).layer(Fun(|_| std::future::pending::<Response<Body>>()));
            drop(service.call(request("/")));
            assert_eq!(lines.take(), ["127.0.0.1:5000 - \"GET / HTTP/1.1\" - aborted"]);
            let streaming = |_| std::future::ready(Response::new(Body::new(Stream(None))));
            let mut service = ObserveLayer::new(true).layer(Fun(streaming));
            drop(service.call(request("/")).now_or_never());
            assert_eq!(lines.take(), ["127.0.0.1:5000 - \"GET / HTTP/1.1\" 200 http aborted"]);
        });
    }

    #[test]
    fn http_2_has_no_minor_version() {
        let lines = Lines::default();
        tracing::subscriber::with_default(lines.clone(), || {
            let mut service = ObserveLayer::new(true).layer(Named("x"));
            let mut request = request("/");
            *request.version_mut() = Version::HTTP_2;
            drop(service.call(request).now_or_never());
            assert_eq!(lines.take(), ["127.0.0.1:5000 - \"GET / HTTP/2\" 200 http"]);
        });
    }

    #[test]
    fn a_fault_of_the_request_takes_the_place_of_the_answer() {
        let lines = Lines::default();
        tracing::subscriber::with_default(lines.clone(), || {
            let mut request = request("/");
            let state = state(&request);
            state.fail(7, Fault::Stalled);
            request.extensions_mut().insert(Faults { state, number: 7 });
            let mut service = ObserveLayer::new(true).layer(Named("x"));
            drop(service.call(request).now_or_never());
            assert_eq!(lines.take(), ["127.0.0.1:5000 - \"GET / HTTP/1.1\" 408 http"]);
        });
    }

    #[test]
    fn switched_off_it_says_nothing() {
        let (before, after) = log(false, "/", || Response::new(Body::new(Stream(None))));
        assert!(before.is_empty() && after.is_empty());
    }
}
