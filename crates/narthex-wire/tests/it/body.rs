use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use http_body::{Body as _, Frame};
use http_body_util::Full;
use narthex_wire::{Body, CollectError};

use crate::{frames, now, pieces};

fn trailers() -> HeaderMap {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    trailers
}

#[test]
fn ends_and_lengths_are_told_before_reading() {
    let cases = [
        (Body::empty(), true, Some(0)),
        (Body::full(""), true, Some(0)),
        (Body::full("abc"), false, Some(3)),
        // Not exact: hyper would write a Content-Length and no trailers on HTTP/1.1.
        (Body::with_trailers(Bytes::from_static(b"abc"), trailers()), false, None),
        (Body::with_trailers(Bytes::new(), trailers()), false, None),
        (Body::new(Full::new(Bytes::from_static(b"abc"))), false, Some(3)),
        (Body::new(Full::new(Bytes::new())), true, Some(0)),
        (pieces([b"a".as_slice()]), false, None),
    ];
    for (body, end, exact) in cases {
        assert_eq!(body.is_end_stream(), end, "{body:?}");
        assert_eq!(body.size_hint().exact(), exact, "{body:?}");
    }
}

#[test]
fn data_comes_before_trailers_and_the_end_is_final() {
    let mut body = Body::with_trailers(Bytes::from_static(b"abc"), trailers());
    assert_eq!(now(body.frame()).unwrap().unwrap().into_data().unwrap(), "abc");
    assert!(!body.is_end_stream());
    assert_eq!(now(body.frame()).unwrap().unwrap().into_trailers().unwrap(), trailers());
    assert!(body.is_end_stream());
    assert!(now(body.frame()).is_none());
    assert!(now(body.frame()).is_none());
}

#[test]
fn trailers_without_data_are_one_frame() {
    let mut body = Body::with_trailers(Bytes::new(), trailers());
    assert!(now(body.frame()).unwrap().unwrap().is_trailers());
    assert!(now(body.frame()).is_none());
}

#[test]
fn a_body_is_not_boxed_again() {
    assert_eq!(format!("{:?}", Body::new(Body::full("abc"))), "Body(3 bytes)");
}

#[test]
fn one_frame_is_collected_without_a_copy() {
    let data = Bytes::from(vec![7; 100]);
    let address = data.as_ptr();
    for body in [
        Body::full(data.clone()),
        Body::with_trailers(data.clone(), trailers()),
        Body::new(Full::new(data.clone())),
        frames(vec![Ok(Frame::data(Bytes::new())), Ok(Frame::data(data.clone()))]),
    ] {
        assert_eq!(now(body.collect(100)).unwrap().data.as_ptr(), address);
    }
}

#[test]
fn frames_are_joined_in_order_and_trailers_kept() {
    let body = frames(vec![
        Ok(Frame::data("ab".into())),
        Ok(Frame::data(Bytes::new())),
        Ok(Frame::data("cd".into())),
        Ok(Frame::data("ef".into())),
        Ok(Frame::trailers(trailers())),
    ]);
    let collected = now(body.collect(6)).unwrap();
    assert_eq!(collected.data, "abcdef");
    assert_eq!(collected.trailers.as_deref(), Some(&trailers()));
    assert_eq!(now(Body::empty().collect(0)).unwrap().data, "");
}

#[test]
fn the_limit_holds_for_known_and_unknown_lengths() {
    for body in [Body::full("abc"), pieces([b"abc".as_slice()]), pieces([b"ab".as_slice(), b"c"])] {
        assert!(matches!(now(body.collect(2)), Err(CollectError::TooLarge { limit: 2 })));
    }
}

#[test]
fn an_error_of_the_body_is_handed_on() {
    let body = frames(vec![Ok(Frame::data("ab".into())), Err("gone".into())]);
    match now(body.collect(10)) {
        Err(CollectError::Body(error)) => assert_eq!(error.to_string(), "gone"),
        other => panic!("{other:?}"),
    }
}
