//! Streams of messages as responses.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::task::Poll;

use bytes::Bytes;
use futures_util::{FutureExt as _, StreamExt as _};
use http::{HeaderMap, Request, Response};
use http_body::Frame;
use http_body_util::StreamBody;
use narthex_protojson::WriteOptions;
use narthex_transcode::{Options, StreamFormat, TranscodeLayer};
use narthex_wire::{Body, Code, Outcome, Status, envelope, unary_response};
use tower_layer::Layer as _;
use tower_service::Service as _;

use crate::support::{Exchange, TABLE, exchange, from_edge, request, wire};

/// A response of these books, then of this status.
fn books(titles: &'static [&'static str], status: Status) -> Response<Body> {
    let messages = titles.iter().map(|title| wire("shop.v1.Book", &format!(r#"{{"title":"{title}"}}"#)));
    let data = messages.flat_map(|message| envelope::encode(&message)).collect::<Vec<_>>();
    unary_response(data.into(), HeaderMap::new(), status.into_trailers())
}

fn watched(accept: &str, titles: &'static [&'static str], status: Status) -> Exchange {
    watched_with(Options::default(), accept, titles, status)
}

fn watched_with(options: Options, accept: &str, titles: &'static [&'static str], status: Status) -> Exchange {
    let mut request = request("GET", "/api/watch?name=x", "");
    request.headers_mut().insert("accept", accept.parse().unwrap());
    exchange(options, request, move |_| books(titles, status.clone()))
}

#[test]
fn formats() {
    for (accept, content_type, body) in [
        ("*/*", "application/json", "[{\"title\":\"A\"},{\"title\":\"B\"}]"),
        ("application/x-ndjson", "application/x-ndjson", "{\"title\":\"A\"}\n{\"title\":\"B\"}\n"),
        ("application/json-seq", "application/json-seq", "\x1e{\"title\":\"A\"}\n\x1e{\"title\":\"B\"}\n"),
        ("text/event-stream", "text/event-stream", "data: {\"title\":\"A\"}\n\ndata: {\"title\":\"B\"}\n\n"),
    ] {
        let got = watched(accept, &["A", "B"], Status::ok());
        assert_eq!((got.status, got.header("content-type")), (200, Some(content_type)));
        assert_eq!((got.body, got.cut), (Bytes::from(body), None), "{accept}");
        assert_eq!(got.seen.unwrap().message("shop.v1.NameRequest"), serde_json::json!({"name": "x"}));
    }
    assert_eq!(watched("*/*", &[], Status::ok()).body, "[]");
    assert_eq!(watched("text/event-stream", &[], Status::ok()).body, "");
}

#[test]
fn white_space_does_not_break_the_lines_of_a_stream() {
    let write = WriteOptions { whitespace: true, ..WriteOptions::default() };
    let body = |accept: &str| {
        watched_with(Options { write, ..Options::default() }, accept, &["A"], Status::aborted("lost")).body
    };
    let status = r#"{"code":10,"message":"lost"}"#;
    assert_eq!(body("application/json"), "[{\n \"title\": \"A\"\n}");
    assert_eq!(body("application/x-ndjson"), format!("{{\"title\":\"A\"}}\n{{\"error\":{status}}}\n"));
    let events = format!("data: {{\"title\":\"A\"}}\n\nevent: error\ndata: {status}\n\n");
    assert_eq!(body("text/event-stream"), events);
}

#[test]
fn an_error_before_any_message_has_its_status() {
    for accept in ["*/*", "text/event-stream"] {
        for got in [
            watched(accept, &[], Status::not_found("no such shelf")),
            exchange(Options::default(), request("GET", "/api/watch", ""), |_| {
                Status::not_found("no such shelf").into_response()
            }),
        ] {
            assert_eq!((got.status, got.json()["message"].as_str()), (404, Some("no such shelf")));
        }
    }
}

#[test]
fn an_error_after_a_message_is_told_as_the_format_allows() {
    let status = "{\"code\":10,\"message\":\"lost\"}";
    for (accept, end) in [
        ("application/x-ndjson", format!("{{\"title\":\"A\"}}\n{{\"error\":{status}}}\n")),
        ("application/json-seq", format!("\x1e{{\"title\":\"A\"}}\n\x1e{{\"error\":{status}}}\n")),
        ("text/event-stream", format!("data: {{\"title\":\"A\"}}\n\nevent: error\ndata: {status}\n\n")),
    ] {
        let got = watched(accept, &["A"], Status::aborted("lost"));
        assert_eq!((got.status, got.body, got.cut), (200, Bytes::from(end), None));
    }
    let got = watched("*/*", &["A"], Status::aborted("lost"));
    assert_eq!((got.status, &got.body[..]), (200, &b"[{\"title\":\"A\"}"[..]));
    assert_eq!(got.cut.as_deref(), Some("ABORTED: lost"));
}

#[test]
fn some_statuses_have_no_body() {
    for code in ["204", "205", "304"] {
        for titles in [&[][..], &["A"]] {
            let mut request = request("GET", "/api/watch", "");
            request.headers_mut().insert("accept", "text/event-stream".parse().unwrap());
            let got = exchange(Options::default(), request, move |_| {
                let mut response = books(titles, Status::ok());
                response.headers_mut().insert("x-http-code", code.parse().unwrap());
                response
            });
            assert_eq!((got.status.to_string().as_str(), &got.body[..]), (code, &b""[..]));
            assert_eq!(got.header("content-type"), None);
        }
    }
}

#[test]
fn http_bodies_are_joined() {
    let download = |pieces: &'static [(&'static str, &'static str)], status: Status| {
        exchange(Options::default(), request("GET", "/api/download/x", ""), move |_| {
            let messages = pieces.iter().map(|(content_type, data)| {
                let mut message = vec![0x0a, u8::try_from(content_type.len()).unwrap()];
                message.extend(content_type.bytes());
                message.extend([0x12, u8::try_from(data.len()).unwrap()]);
                message.extend(data.bytes());
                envelope::encode(&message)
            });
            let data: Vec<u8> = messages.flatten().collect();
            unary_response(data.into(), HeaderMap::new(), status.clone().into_trailers())
        })
    };
    let got = download(&[("text/csv", "a,"), ("", ""), ("text/plain", "b")], Status::ok());
    assert_eq!((got.header("content-type"), &got.body[..]), (Some("text/csv"), &b"a,b"[..]));
    let got = download(&[("text/csv", "a,")], Status::data_loss("disk"));
    assert_eq!((got.status, &got.body[..], got.cut.as_deref()), (200, &b"a,"[..], Some("DATA_LOSS: disk")));
    assert_eq!(download(&[], Status::ok()).body, "");
}

/// What the layer asks of the body behind it, and gives of it, step by step.
#[test]
fn messages_pass_one_by_one_and_only_when_asked_for() {
    let (send, receive) = futures_util_channel();
    let polled = Arc::new(Mutex::new(0));
    let counted = polled.clone();
    let frames = receive.inspect(move |_| *counted.lock().unwrap() += 1).map(Ok::<_, Infallible>);
    let body = Mutex::new(Some(Body::new(StreamBody::new(frames))));
    let service = tower_fn(move |_| {
        let mut response = Response::new(body.lock().unwrap().take().unwrap());
        response.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
        response
    });
    let options = Options { stream: StreamFormat::NewlineDelimited, ..Options::default() };
    let mut service = TranscodeLayer::new(TABLE.clone(), options).layer(service);
    let mut call = Box::pin(service.call(from_edge(request("GET", "/api/watch", ""))));
    let cx = &mut std::task::Context::from_waker(std::task::Waker::noop());

    let message = |title: &str| {
        Frame::data(envelope::encode(&wire("shop.v1.Book", &format!(r#"{{"title":"{title}"}}"#))))
    };
    assert!(call.as_mut().poll(cx).is_pending());
    send(message("A"));
    let Poll::Ready(Ok(response)) = call.as_mut().poll(cx) else {
        panic!("the first message makes the head")
    };
    let outcome = response.extensions().get::<Outcome>().unwrap().clone();
    let mut body = response.into_body();
    assert_eq!(
        body.frame().now_or_never().unwrap().unwrap().unwrap().into_data().unwrap(),
        "{\"title\":\"A\"}\n"
    );
    send(message("B"));
    send(message("C"));
    assert_eq!(*polled.lock().unwrap(), 1, "nobody asked for more");
    assert_eq!(
        body.frame().now_or_never().unwrap().unwrap().unwrap().into_data().unwrap(),
        "{\"title\":\"B\"}\n"
    );
    assert_eq!(*polled.lock().unwrap(), 2);
    assert_eq!(
        body.frame().now_or_never().unwrap().unwrap().unwrap().into_data().unwrap(),
        "{\"title\":\"C\"}\n"
    );
    assert!(body.frame().now_or_never().is_none());
    assert_eq!(outcome.get(), None);
    send(Frame::trailers(Status::ok().into_trailers()));
    assert!(body.frame().now_or_never().unwrap().is_none());
    assert_eq!(outcome.get(), Some(Code::Ok));
}

type Frames = std::pin::Pin<Box<dyn futures_util::Stream<Item = Frame<Bytes>> + Send>>;

/// A queue of frames whose end is never reached.
fn futures_util_channel() -> (impl Fn(Frame<Bytes>), Frames) {
    let queue = Arc::new(Mutex::new(std::collections::VecDeque::new()));
    let other = queue.clone();
    let frames = futures_util::stream::poll_fn(move |_| match other.lock().unwrap().pop_front() {
        Some(frame) => Poll::Ready(Some(frame)),
        None => Poll::Pending,
    });
    (move |frame| queue.lock().unwrap().push_back(frame), Box::pin(frames))
}

fn tower_fn(
    answer: impl Fn(Request<Body>) -> Response<Body> + Send + Sync + 'static,
) -> impl tower_service::Service<
    Request<Body>,
    Response = Response<Body>,
    Error = Infallible,
    Future = std::future::Ready<Result<Response<Body>, Infallible>>,
> + Clone
+ Send
+ 'static {
    crate::support::Answering(Arc::new(answer))
}
