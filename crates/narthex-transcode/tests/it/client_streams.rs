//! Streams of messages as bodies of requests: how they are framed, compressed, bounded, and when each message goes on.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use futures_util::FutureExt as _;
use http::{HeaderMap, Request};
use http_body::{Body as HttpBody, Frame};
use http_body_util::StreamBody;
use narthex_protojson::{WriteOptions, wire_to_json};
use narthex_transcode::{Options, TranscodeLayer};
use narthex_wire::envelope::Decoder;
use narthex_wire::{Body, Encoding, Status, unary_response};
use serde_json::{Value, json};
use tower_layer::Layer as _;
use tower_service::Service as _;

use crate::support::{Answering, Exchange, POOL, Seen, TABLE, exchange};

const MULTIPART: &str = "multipart/form-data; boundary=b";

/// Bodies of the same two authors.
const TWO: [(&str, &str); 5] = [
    ("application/json", r#"[{"name":"A"}, {"born":1}]"#),
    ("application/x-ndjson", "{\"name\":\"A\"}\n{\"born\":1}\n"),
    ("application/json-seq", "\x1e{\"name\":\"A\"}\n\x1e{\"born\":1}\n"),
    (
        MULTIPART,
        "--b\r\ncontent-disposition: form-data; name=author\r\n\r\n{\"name\":\"A\"}\r\n\
         --b\r\ncontent-disposition: form-data; name=author\r\ncontent-type: application/json\r\n\r\n{\"born\":1}\r\n--b--\r\n",
    ),
    (
        "multipart/mixed; boundary=\"b c\"",
        "a preamble\r\n--b c\r\nContent-Type: application/json\r\n\r\n{\"name\":\"A\"}\r\n\
         --b c\r\nContent-Type: application/x-www-form-urlencoded\r\n\r\nborn=1\r\n--b c--\r\nan epilogue",
    ),
];

fn frames(pieces: impl IntoIterator<Item = Vec<u8>>) -> Body {
    let frames = pieces.into_iter().map(|piece| Ok::<_, Infallible>(Frame::data(Bytes::from(piece))));
    Body::new(StreamBody::new(futures_util::stream::iter(frames.collect::<Vec<_>>())))
}

fn sent(options: Options, target: &str, headers: &[(&str, &str)], body: Body) -> Exchange {
    let mut request = Request::post(target);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    exchange(options, request.body(body).unwrap(), |seen| match &seen.failed {
        Some(status) => status.clone().into_response(),
        None if seen.request.uri.path().ends_with("/Talk") => {
            unary_response(seen.body.clone(), HeaderMap::new(), Status::ok().into_trailers())
        }
        None => unary_response(vec![0; 5].into(), HeaderMap::new(), Status::ok().into_trailers()),
    })
}

fn talk(content_type: &str, body: Body) -> Exchange {
    sent(Options::default(), "/api/talk", &[("content-type", content_type)], body)
}

/// The messages that the method got.
fn messages(seen: &Seen, kind: &str) -> Vec<Value> {
    let mut decoder = Decoder::new(Encoding::Identity, usize::MAX);
    decoder.push(seen.body.clone());
    let kind = POOL.message(kind).unwrap();
    std::iter::from_fn(|| decoder.next().unwrap())
        .map(|message| {
            let mut json = Vec::new();
            wire_to_json(&kind, &message, &WriteOptions::default(), &mut json).unwrap();
            serde_json::from_slice(&json).unwrap()
        })
        .collect()
}

fn compressed(encoding: Encoding, data: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    encoding.compress(data, &mut out);
    out
}

#[test]
fn every_framing_in_every_encoding_however_it_is_cut() {
    for (content_type, text) in TWO {
        for encoding in Encoding::ALL {
            let data = compressed(encoding, text.as_bytes());
            for size in [1, 7, data.len()] {
                let headers = [("content-type", content_type), ("content-encoding", encoding.name())];
                let body = frames(data.chunks(size).map(<[u8]>::to_vec));
                let got = sent(Options::default(), "/api/talk", &headers, body);
                assert_eq!(got.body, "[{\"name\":\"A\"},{\"born\":1}]", "{content_type} {encoding:?} {size}");
                assert!(!got.seen.unwrap().request.headers.contains_key("content-encoding"));
            }
        }
    }
}

#[test]
fn a_stream_of_no_messages() {
    for (content_type, text) in
        [("application/json", "[]"), ("application/json", ""), (MULTIPART, "--b--\r\n"), (MULTIPART, "")]
    {
        assert_eq!(talk(content_type, Body::full(text)).body, "[]", "{content_type} {text:?}");
    }
    // Where only the end says that there is nothing.
    for content_type in ["application/json", "application/x-ndjson", "application/json-seq", MULTIPART] {
        for pieces in [vec![], vec![vec![]]] {
            assert_eq!(talk(content_type, frames(pieces)).body, "[]", "{content_type}");
        }
        for encoding in [Encoding::Gzip, Encoding::Zstd] {
            let headers = [("content-type", content_type), ("content-encoding", encoding.name())];
            let none = frames([compressed(encoding, b"")]);
            assert_eq!(
                sent(Options::default(), "/api/talk", &headers, none).body,
                "[]",
                "{content_type} {encoding:?}"
            );
        }
    }
    for (content_type, text) in [("application/json", " "), (MULTIPART, "\r\n")] {
        assert_eq!(talk(content_type, frames([text.into()])).status, 400, "{content_type}");
    }
    // An array has to be one for Envoy.
    for body in [Body::empty(), frames([])] {
        let headers = [("content-type", "application/json")];
        assert_eq!(sent(Options::envoy(), "/api/talk", &headers, body).status, 400);
    }
    let cut = frames([compressed(Encoding::Gzip, b"")[..12].to_vec()]);
    let headers = [("content-type", MULTIPART), ("content-encoding", "gzip")];
    assert_eq!(sent(Options::default(), "/api/talk", &headers, cut).status, 400);
    let headers = [("content-type", "application/x-ndjson"), ("content-encoding", "gzip")];
    let none = compressed(Encoding::Gzip, b"");
    for body in [Body::empty(), Body::full(none)] {
        assert_eq!(sent(Options::default(), "/api/talk", &headers, body).body, "[]");
    }
}

#[test]
fn parts_of_bytes_are_messages_of_a_bytes_field() {
    let body = "--b\r\ncontent-disposition: form-data; name=a; filename=a.png\r\ncontent-type: image/png\r\n\r\n\u{1}\u{2}\r\n\
                --b\r\ncontent-disposition: form-data; name=b\r\n\r\ntext\r\n\
                --b\r\ncontent-disposition: form-data; name=c\r\ncontent-type: application/json\r\n\r\n\"AQI=\"\r\n\
                --b\r\ncontent-disposition: form-data; name=d; filename=d\r\ncontent-type: application/json\r\n\r\n{}\r\n--b--\r\n";
    let got = sent(Options::default(), "/api/covers/T", &[("content-type", MULTIPART)], Body::full(body));
    assert_eq!(
        messages(&got.seen.unwrap(), "shop.v1.Book"),
        [
            json!({"title": "T", "cover": "AQI="}),
            json!({"cover": "dGV4dA=="}),
            json!({"cover": "AQI="}),
            json!({"cover": "e30="})
        ]
    );
}

#[test]
fn what_is_no_stream_of_messages_is_refused() {
    for (body, field) in [("[{\"name\":\"A\"},{\"born\":\"x\"}]", "born"), ("[{}", ""), ("{}", "")] {
        let json = refused(&talk("application/json", Body::full(body)), 400);
        assert_eq!(json["details"][0]["fieldViolations"][0]["field"].as_str().unwrap_or_default(), field);
    }
    for (content_type, body, status, message) in [
        (
            "application/xml",
            "<a/>",
            415,
            "the body is application/xml; application/json is always understood",
        ),
        ("multipart/form-data", "--b--", 400, "the form cannot be read: the content-type names no boundary"),
        (
            MULTIPART,
            "--b\r\na: b\r\n\r\n{}\r\n",
            400,
            "the form cannot be read: it ends before its last boundary, or has none",
        ),
        (
            MULTIPART,
            "--b\r\n\r\n{}\r\n--b\r\n\r\n--b--",
            400,
            "the form cannot be read: a part has no headers",
        ),
        (
            MULTIPART,
            "--b\r\ncontent-type: image/png\r\n\r\n{}\r\n--b--\r\n",
            415,
            "the body is in parts, and one is image/png; application/json is always understood",
        ),
    ] {
        assert_eq!(refused(&talk(content_type, Body::full(body)), status)["message"], message);
    }
    let headers = [("content-type", "application/x-ndjson"), ("content-encoding", "zstd")];
    let got = sent(Options::default(), "/api/talk", &headers, Body::full("{}"));
    let message = "the body says that its encoding is zstd, and it cannot be decompressed so";
    assert_eq!(refused(&got, 400)["message"], message);
    let headers = [("content-type", "application/x-ndjson"), ("content-encoding", "compress")];
    let got = sent(Options::default(), "/api/talk", &headers, Body::full("{}"));
    assert_eq!((got.status, got.header("accept-encoding")), (415, Some("gzip, br, zstd")));
}

fn refused(got: &Exchange, status: u16) -> Value {
    assert_eq!(got.status, status, "{got:?}");
    got.json()
}

#[test]
fn each_message_is_bounded_and_nothing_else_grows() {
    let options = || Options { max_body: 1000, ..Options::default() };
    let long = "a".repeat(1000);
    let part = |head: &str, data: &str| format!("--b\r\nx: {head}\r\n\r\n{data}\r\n--b--\r\n");
    for (content_type, text, status) in [
        ("application/json", format!("[\"{long}\"]"), 413),
        ("application/x-ndjson", format!("\"{long}\"\n"), 413),
        ("application/x-ndjson", "\n".repeat(1001), 413),
        (MULTIPART, part("y", &format!("\"{long}\"")), 413),
        (MULTIPART, part(&"y".repeat(300_000), ""), 400),
        (MULTIPART, format!("{}{}", " ".repeat(300_000), part("y", "{}")), 400),
    ] {
        for encoding in Encoding::ALL {
            let data = compressed(encoding, text.as_bytes());
            let headers = [("content-type", content_type), ("content-encoding", encoding.name())];
            let got = sent(options(), "/api/talk", &headers, frames(data.chunks(50).map(<[u8]>::to_vec)));
            assert_eq!(got.status, status, "{content_type} {encoding:?} {}", text.len());
        }
    }
    // The end of a head is looked for with every frame, so it may not be as long as a message.
    let head = part(&"y".repeat(20_000), "{}");
    assert_eq!(talk(MULTIPART, frames(head.as_bytes().chunks(50).map(<[u8]>::to_vec))).status, 400);
    // Not so a stream of many.
    let many = "{}\n".repeat(1000);
    assert_eq!(
        sent(options(), "/api/talk", &[("content-type", "application/x-ndjson")], Body::full(many)).status,
        200
    );
}

/// Frames that a test lets come one by one.
#[derive(Clone, Default)]
struct Sender(Arc<Mutex<VecDeque<Vec<u8>>>>);

impl HttpBody for Sender {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.0.lock().unwrap().pop_front() {
            Some(frame) => Poll::Ready(Some(Ok(Frame::data(frame.into())))),
            None => Poll::Pending,
        }
    }
}

impl Sender {
    fn send(&self, data: Vec<u8>) {
        self.0.lock().unwrap().push_back(data);
    }

    fn unread(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    /// The body of the gRPC call that a request of this body becomes.
    fn called(&self, headers: &[(&str, &str)]) -> Body {
        let mut request = Request::post("/api/talk");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let taken = Arc::new(Mutex::new(None));
        let keep = taken.clone();
        let service = Answering(Arc::new(move |request: Request<Body>| {
            *keep.lock().unwrap() = Some(request.into_body());
            Status::ok().into_response()
        }));
        let mut layer = TranscodeLayer::new(TABLE.clone(), Options::default()).layer(service);
        let request = request.body(Body::new(self.clone())).unwrap();
        layer.call(request).now_or_never().expect("nothing here waits").unwrap();
        taken.lock().unwrap().take().unwrap()
    }
}

/// The JSON of the next message, if it is there.
fn next(body: &mut Body) -> Option<String> {
    let Poll::Ready(frame) = Pin::new(body).poll_frame(&mut Context::from_waker(Waker::noop())) else {
        return None;
    };
    let envelope = frame.unwrap().unwrap().into_data().unwrap();
    let mut json = Vec::new();
    let kind = POOL.message("shop.v1.Author").unwrap();
    wire_to_json(&kind, &envelope[5..], &WriteOptions::default(), &mut json).unwrap();
    Some(String::from_utf8(json).unwrap())
}

#[test]
fn a_message_goes_on_as_soon_as_it_is_whole_and_no_more_is_read_before_it_is_asked_for() {
    // What makes the first message whole, and what comes after it.
    let part = "--b\r\nx: y\r\n\r\n";
    for (content_type, first, second) in [
        ("application/json", "[{\"name\":\"A\"}".to_owned(), ",{\"name\":\"B\"}".to_owned()),
        ("application/x-ndjson", "{\"name\":\"A\"}\n".to_owned(), "{\"name\":\"B\"}\n".to_owned()),
        ("application/json-seq", "\x1e{\"name\":\"A\"}\n".to_owned(), "\x1e{\"name\":\"B\"}\n".to_owned()),
        (
            MULTIPART,
            format!("{part}{{\"name\":\"A\"}}\r\n--b"),
            "\r\nx: y\r\n\r\n{\"name\":\"B\"}\r\n--b".to_owned(),
        ),
    ] {
        // Both can follow themselves, so that each message can be flushed by itself.
        for encoding in [Encoding::Identity, Encoding::Gzip, Encoding::Zstd] {
            let sender = Sender::default();
            let mut body =
                sender.called(&[("content-type", content_type), ("content-encoding", encoding.name())]);
            assert_eq!(next(&mut body), None);
            sender.send(compressed(encoding, first.as_bytes()));
            assert_eq!(next(&mut body).as_deref(), Some("{\"name\":\"A\"}"), "{content_type} {encoding:?}");
            assert_eq!(next(&mut body), None);
            for _ in 0..3 {
                sender.send(compressed(encoding, second.as_bytes()));
            }
            for unread in [2, 1, 0] {
                assert_eq!(
                    next(&mut body).as_deref(),
                    Some("{\"name\":\"B\"}"),
                    "{content_type} {encoding:?}"
                );
                assert_eq!(sender.unread(), unread, "{content_type} {encoding:?}: nobody asked for more");
            }
            assert_eq!(next(&mut body), None);
        }
    }
}

#[test]
fn messages_of_one_frame_are_given_one_by_one() {
    let part = "--b\r\nx: y\r\n\r\n{\"name\":\"A\"}\r\n";
    for (content_type, text) in [
        ("application/x-ndjson", "{\"name\":\"A\"}\n".repeat(3)),
        (MULTIPART, format!("{}--b", part.repeat(3))),
    ] {
        let sender = Sender::default();
        sender.send(text.into_bytes());
        sender.send(b"unasked for".to_vec());
        let mut body = sender.called(&[("content-type", content_type)]);
        for _ in 0..3 {
            assert_eq!(next(&mut body).as_deref(), Some("{\"name\":\"A\"}"));
            assert_eq!(sender.unread(), 1, "{content_type}");
        }
    }
}
