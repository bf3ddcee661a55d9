//! The crate's contract: gRPC with JSON in, gRPC with protobuf behind; everything else untouched.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::LazyLock;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::FutureExt as _;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, Request, Response};
use http_body::Frame;
use http_body_util::StreamBody;
use narthex_grpc_json::{GrpcJsonLayer, Messages};
use narthex_protojson::Pool;
use narthex_wire::encoding::Enabled;
use narthex_wire::envelope::{Decoder, encode, encode_compressed};
use narthex_wire::{Body, BoxError, Code, CollectError, Collected, Encoding, Status, unary_response};
use tower_layer::Layer as _;
use tower_service::Service;

const PROTO: &str = r#"
    syntax = "proto3";
    package s;
    message In { string name = 1; }
    message Out { int32 number = 1; }
    service S { rpc M(stream In) returns (stream Out); }
"#;

static MESSAGES: LazyLock<Messages> = LazyLock::new(|| {
    struct One;
    impl protox::file::FileResolver for One {
        fn open_file(&self, name: &str) -> Result<protox::file::File, protox::Error> {
            protox::file::File::from_source(name, PROTO)
        }
    }
    let mut compiler = protox::Compiler::with_file_resolver(One);
    compiler.open_file("s.proto").unwrap();
    let pool = Pool::from_file_descriptor_set(&compiler.encode_file_descriptor_set()).unwrap();
    pool.service("s.S").unwrap().methods().collect()
});

/// `In {name: "ab"}`, and `Out {number: 7}`.
const IN: &[u8] = b"\x0a\x02ab";
const OUT: &[u8] = b"\x08\x07";

type Asked = (http::request::Parts, Result<Collected, CollectError>);

#[derive(Clone)]
struct Behind<F>(F);

impl<F: Fn(Asked) -> Response<Body>> Service<Request<Body>> for Behind<F> {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let (head, body) = request.into_parts();
        ready(Ok((self.0)((head, body.collect(1 << 20).now_or_never().unwrap()))))
    }
}

fn send(request: Request<Body>, behind: impl Fn(Asked) -> Response<Body>) -> Response<Body> {
    let mut service = GrpcJsonLayer::new(MESSAGES.clone(), 1000, Enabled::ALL).layer(Behind(behind));
    service.call(request).now_or_never().expect("nothing here waits").unwrap()
}

fn request(content_type: &str, body: Body) -> Request<Body> {
    Request::post("/s.S/M").header(CONTENT_TYPE, content_type).body(body).unwrap()
}

fn stream(pieces: Vec<Bytes>, trailers: Option<HeaderMap>) -> Body {
    let data = pieces.into_iter().map(|piece| Ok::<_, BoxError>(Frame::data(piece)));
    Body::new(StreamBody::new(futures_util::stream::iter(
        data.chain(trailers.map(|map| Ok(Frame::trailers(map)))),
    )))
}

fn reply(data: Bytes) -> Response<Body> {
    unary_response(data, HeaderMap::new(), Status::ok().into_trailers())
}

fn read(response: Response<Body>) -> (Bytes, Code) {
    let whole = response.into_body().collect(1 << 20).now_or_never().unwrap().unwrap();
    (whole.data, Code::from_header(&whole.trailers.unwrap()["grpc-status"]))
}

#[test]
fn both_ways_whole_and_in_pieces() {
    let json = encode(br#"{"name":"ab","newer":1}"#);
    let twice = [&json[..], &json].concat();
    let bytewise = || twice.chunks(1).map(Bytes::copy_from_slice).collect();
    let expect = [encode(br#"{"number":7}"#), encode(br#"{"number":7}"#)].concat();
    let out = [encode(OUT), encode(OUT)].concat();
    for (sent, answer) in [
        (Body::full(twice.clone()), reply(out.clone().into()).into_body()),
        (
            stream(bytewise(), None),
            stream(out.chunks(1).map(Bytes::copy_from_slice).collect(), Some(Status::ok().into_trailers())),
        ),
    ] {
        let answer = std::sync::Mutex::new(Some(answer));
        let response = send(request("application/grpc+json", sent), |(head, body)| {
            assert_eq!(head.headers[CONTENT_TYPE], "application/grpc");
            assert_eq!(body.unwrap().data, [encode(IN), encode(IN)].concat());
            Response::builder()
                .header(CONTENT_TYPE, "application/grpc")
                .body(answer.lock().unwrap().take().unwrap())
                .unwrap()
        });
        assert_eq!(response.headers()[CONTENT_TYPE], "application/grpc+json");
        assert_eq!(read(response), (expect.clone().into(), Code::Ok));
    }
}

#[test]
fn what_is_compressed_is_read_and_answered_compressed() {
    let json = format!(r#"{{"name":"{}"}}"#, "a".repeat(300));
    let mut sent =
        request("application/grpc+json;x=y", Body::full(encode_compressed(Encoding::Gzip, json.as_bytes())));
    sent.headers_mut().insert("grpc-encoding", HeaderValue::from_static("gzip"));
    let response = send(sent, |(head, body)| {
        assert!(!head.headers.contains_key("grpc-encoding"));
        let mut decoder = Decoder::new(Encoding::Identity, 1000);
        decoder.push(body.unwrap().data);
        assert_eq!(decoder.next().unwrap().unwrap().len(), 303);
        let mut compressed = Vec::new();
        Encoding::Zstd.compress(OUT, &mut compressed);
        let envelope = [&narthex_wire::envelope::prefix(compressed.len(), true)[..], &compressed].concat();
        let mut response = reply(envelope.into());
        response.headers_mut().insert("grpc-encoding", HeaderValue::from_static("zstd"));
        response
    });
    let mut decoder = Decoder::new(Encoding::Zstd, 1000);
    decoder.push(read(response).0);
    assert_eq!(decoder.next().unwrap().unwrap(), br#"{"number":7}"#.as_slice());
}

#[test]
fn a_message_that_is_not_json_fails_the_request() {
    for body in [
        Body::full(encode(b"{")),
        stream(vec![encode(b"{")], None),
        Body::full(encode(b"")),
        Body::full(encode(br#"{"name":1}"#)),
    ] {
        let response = send(request("application/grpc+json", body), |(_, body)| {
            Status::from(body.unwrap_err()).into_response()
        });
        assert_eq!(response.headers()["grpc-status"], "3");
        assert_eq!(response.headers()[CONTENT_TYPE], "application/grpc+json");
    }
    for (body, expect) in [(encode(&[b' '; 1001]), "8"), (encode(b"{}").slice(..6), "13")] {
        let response = send(request("application/grpc+json", Body::full(body)), |(_, body)| {
            Status::from(body.unwrap_err()).into_response()
        });
        assert_eq!(response.headers()["grpc-status"], expect);
    }
}

#[test]
fn an_answer_that_is_no_protobuf_ends_with_internal() {
    let broken = [encode(OUT), encode(b"\xff")].concat();
    let answer =
        |body: Body| Response::builder().header(CONTENT_TYPE, "application/grpc").body(body).unwrap();
    let trailers = || Status::ok().into_trailers();
    for response in
        [reply(broken.clone().into()), answer(stream(vec![broken.clone().into()], Some(trailers())))]
    {
        let response = std::sync::Mutex::new(Some(response));
        let response = send(request("application/grpc+json", Body::empty()), |_| {
            response.lock().unwrap().take().unwrap()
        });
        assert_eq!(read(response), (encode(br#"{"number":7}"#), Code::Internal));
    }
}

#[test]
fn refused_at_once() {
    let behind = |_: Asked| unreachable!("refused before");
    assert_eq!(send(request("application/grpc+thrift", Body::empty()), behind).headers()["grpc-status"], "2");
    let mut unknown = request("application/grpc+json", Body::empty());
    *unknown.uri_mut() = "/s.S/Other".parse().unwrap();
    assert_eq!(send(unknown, behind).headers()["grpc-status"], "12");
    let mut encoding = request("application/grpc+json", Body::empty());
    encoding.headers_mut().insert("grpc-encoding", HeaderValue::from_static("snappy"));
    assert_eq!(send(encoding, behind).headers()["grpc-status"], "12");
}

#[test]
fn everything_else_is_untouched() {
    for content_type in [
        "application/grpc",
        "application/grpc+proto",
        "application/grpc;x=y",
        "application/json",
        "application/grpc-web+json",
    ] {
        let response = send(request(content_type, Body::from("x")), |(head, body)| {
            assert_eq!(head.headers[CONTENT_TYPE], content_type);
            assert_eq!(body.unwrap().data, "x");
            reply(encode(OUT))
        });
        assert_eq!(response.headers()[CONTENT_TYPE], "application/grpc");
        assert_eq!(read(response), (encode(OUT), Code::Ok));
    }
    let status =
        send(request("application/grpc+json", Body::empty()), |_| Status::aborted("").into_response());
    assert_eq!(status.headers()["grpc-status"], "10");
}
