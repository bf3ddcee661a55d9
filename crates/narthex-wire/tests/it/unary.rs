use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response};
use http_body::Frame;
use narthex_wire::envelope::{PREFIX, encode};
use narthex_wire::unary::Message;
use narthex_wire::{Body, Code, Encoding, Status, UnaryReply, read_unary, unary_response};

use crate::{envelope, frames, gzip, now, pieces};

fn read(body: Body) -> Result<Bytes, Status> {
    now(read_unary(body, &HeaderMap::new(), 100))
}

fn refused(body: Body, code: Code) -> Status {
    let status = read(body).expect_err("this body is refused");
    assert_eq!(status.code(), code, "{status}");
    status
}

#[test]
fn one_message_in_one_frame_is_a_slice() {
    let data = encode(b"abc");
    let address = data.as_ptr().wrapping_add(PREFIX);
    let message = read(Body::full(data)).unwrap();
    assert_eq!((message.as_ptr(), &*message), (address, b"abc".as_slice()));
}

#[test]
fn one_message_in_many_frames_and_with_trailers() {
    let data = encode(b"abc");
    assert_eq!(read(pieces(data.chunks(1))).unwrap(), "abc");
    let body = frames(vec![
        Ok(Frame::data(data)),
        Ok(Frame::data(Bytes::new())),
        Ok(Frame::trailers(HeaderMap::new())),
    ]);
    assert_eq!(read(body).unwrap(), "abc");
    assert_eq!(read(Body::full(encode(b""))).unwrap(), "");
}

#[test]
fn none_or_two_messages_are_unimplemented() {
    refused(Body::empty(), Code::Unimplemented);
    refused(pieces([b"".as_slice()]), Code::Unimplemented);
    refused(Body::full([envelope(0, b"a"), envelope(0, b"b")].concat()), Code::Unimplemented);
    refused(pieces([&*envelope(0, b"a"), &envelope(0, b"")]), Code::Unimplemented);
}

#[test]
fn a_lying_length_is_internal() {
    refused(Body::full(b"\0\0\0\0\x04abc".as_slice()), Code::Internal);
    refused(Body::full(b"\0\0\0\0\x02abc".as_slice()), Code::Internal);
    refused(Body::full(b"\0\0".as_slice()), Code::Internal);
    refused(Body::full(envelope(0, &[0; 101])), Code::ResourceExhausted);
}

#[test]
fn a_failed_body_is_cancelled_or_its_own_status() {
    refused(frames(vec![Ok(Frame::data(encode(b"a"))), Err("reset".into())]), Code::Cancelled);
    let status =
        refused(frames(vec![Err(Status::resource_exhausted("too slow").into())]), Code::ResourceExhausted);
    assert_eq!(status.message(), "too slow");
}

#[test]
fn the_encoding_is_the_headers() {
    let mut headers = HeaderMap::new();
    headers.insert("grpc-encoding", HeaderValue::from_static("gzip"));
    let body = Body::full(envelope(1, &gzip(b"abc")));
    assert_eq!(now(read_unary(body, &headers, 100)).unwrap(), "abc");

    headers.insert("grpc-encoding", HeaderValue::from_static("snappy"));
    let status = now(read_unary(Body::full(encode(b"abc")), &headers, 100)).unwrap_err();
    assert_eq!(status.code(), Code::Unimplemented);
    let response = status.into_response();
    assert_eq!(response.headers()["grpc-accept-encoding"], "identity,gzip,deflate,zstd,br");
    assert_eq!(response.headers()["grpc-status"], "12");
}

#[test]
fn a_response_has_its_type_its_metadata_and_its_trailers() {
    let mut initial = HeaderMap::new();
    initial.insert("x-a", HeaderValue::from_static("1"));
    let response = unary_response(encode(b"abc"), initial, Status::ok().to_trailers());
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "application/grpc");
    assert_eq!(response.headers()["x-a"], "1");
    let collected = now(response.into_body().collect(100)).unwrap();
    assert_eq!(collected.data, encode(b"abc"));
    assert_eq!(collected.trailers.unwrap()["grpc-status"], "0");
}

fn reply(response: Response<Body>) -> UnaryReply {
    let (head, body) = response.into_parts();
    now(UnaryReply::read(head, body))
}

#[test]
fn a_reply_is_initial_metadata_a_message_and_trailing_metadata() {
    let initial = HeaderMap::from_iter([(HeaderName::from_static("a"), HeaderValue::from_static("1"))]);
    let mut trailers = Status::ok().into_trailers();
    trailers.insert("b", HeaderValue::from_static("2"));
    let got = reply(unary_response(encode(b"abc"), initial.clone(), trailers.clone()));
    assert_eq!((&got.initial["a"], &got.status.metadata()["b"]), (&initial["a"], &trailers["b"]));
    assert_eq!(got.message, Some(Message { encoding: Encoding::Identity, data: "abc".into() }));

    let mut compressed = unary_response(envelope(1, b"xyz").into(), initial, trailers);
    compressed.headers_mut().insert("grpc-encoding", HeaderValue::from_static("br"));
    let message = reply(compressed).message.unwrap();
    assert_eq!(message, Message { encoding: Encoding::Brotli, data: "xyz".into() });
}

#[test]
fn metadata_of_a_lone_head_are_trailing() {
    let mut status = Status::not_found("no");
    status.metadata_mut().insert("a", HeaderValue::from_static("1"));
    let got = reply(status.into_response());
    assert_eq!((got.status.code(), got.status.message()), (Code::NotFound, "no"));
    assert!(got.initial.is_empty() && got.message.is_none());
    assert_eq!(got.status.metadata().len(), 1);
}

#[test]
fn what_is_no_reply_is_an_error() {
    let ok = || Status::ok().into_trailers();
    let two = [encode(b"a"), encode(b"b")].concat();
    for (data, trailers, expect) in [
        (Bytes::new(), ok(), Code::Internal),
        (two.into(), ok(), Code::Internal),
        (encode(b"abc").slice(..6), ok(), Code::Internal),
        (envelope(1, b"abc").into(), ok(), Code::Internal),
        (envelope(2, b"abc").into(), ok(), Code::Internal),
        (encode(b"abc"), HeaderMap::new(), Code::Unknown),
        // An error wins over a message that came before it.
        (encode(b"abc"), Status::aborted("").into_trailers(), Code::Aborted),
    ] {
        let got = reply(unary_response(data, HeaderMap::new(), trailers));
        assert_eq!((got.status.code(), got.message), (expect, None));
    }
    let broken = frames(vec![Err(Status::unavailable("gone").into())]);
    assert_eq!(reply(Response::new(broken)).status.code(), Code::Unavailable);
}
