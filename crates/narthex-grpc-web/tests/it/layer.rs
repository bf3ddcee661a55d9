use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, TE};
use http::{HeaderMap, Request, Response};
use http_body::Frame;
use narthex_wire::envelope::encode;
use narthex_wire::{Body, Code, Exposed, Flow, Outcome, Selector, Status, unary_response};

use crate::{Asked, pieces, send, stream, trailers};

fn request(content_type: &str, body: impl Into<Body>) -> Request<Body> {
    Request::post("/s.S/M")
        .header(CONTENT_TYPE, content_type)
        .header("x-grpc-web", "1")
        .body(body.into())
        .unwrap()
}

/// Answers a unary call with its own message.
fn echo((_, body): Asked) -> Response<Body> {
    let mut ending = Status::ok();
    ending.metadata_mut().insert("x-trailing", HeaderValue::from_static("t"));
    let initial = HeaderMap::from_iter([("x-initial".parse().unwrap(), HeaderValue::from_static("i"))]);
    unary_response(body.unwrap().data, initial, ending.into_trailers())
}

fn outcome(response: &Response<Body>) -> Option<Code> {
    assert_eq!(Flow::of(response), Flow::GrpcWeb);
    response.extensions().get::<Outcome>().and_then(Outcome::get)
}

#[test]
fn a_unary_call() {
    for (sent, answered, behind) in [
        ("application/grpc-web", "application/grpc-web", "application/grpc"),
        ("application/grpc-web+proto", "application/grpc-web+proto", "application/grpc"),
        ("application/grpc-web+json", "application/grpc-web+json", "application/grpc+json"),
    ] {
        let response = send(Exposed::default(), request(sent, encode(b"abc")), |asked| {
            assert_eq!(asked.0.headers[CONTENT_TYPE], behind);
            assert_eq!(asked.0.headers[TE], "trailers");
            assert!(!asked.0.headers.contains_key("x-grpc-web"));
            echo(asked)
        });
        assert_eq!(
            (response.status().as_u16(), &response.headers()[CONTENT_TYPE]),
            (200, &HeaderValue::from_static(answered))
        );
        assert_eq!(response.headers()["x-initial"], "i");
        assert_eq!(outcome(&response), Some(Code::Ok));
        let body = pieces(response.into_body()).concat();
        assert_eq!(body[..8], *encode(b"abc"));
        let trailers = trailers(&body[8..]);
        assert_eq!(
            (&trailers["grpc-status"], &trailers["x-trailing"]),
            (&"0".parse().unwrap(), &"t".parse().unwrap())
        );
    }
}

#[test]
fn text_in_and_out() {
    let text = STANDARD.encode(encode(b"a")) + &STANDARD.encode(encode(b"bc"));
    let mut sent = request("application/grpc-web-text", text);
    sent.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("20"));
    let response = send(Exposed::default(), sent, |asked| {
        assert_eq!(asked.1.as_ref().unwrap().data, [encode(b"a"), encode(b"bc")].concat());
        assert!(!asked.0.headers.contains_key(CONTENT_LENGTH));
        echo(asked)
    });
    assert_eq!(response.headers()[CONTENT_TYPE], "application/grpc-web-text");
    let body = STANDARD.decode(pieces(response.into_body()).concat()).unwrap();
    assert_eq!(trailers(&body[13..])["grpc-status"], "0");
}

#[test]
fn each_direction_has_its_own_mode() {
    let mut sent = request("application/grpc-web-text+proto", STANDARD.encode(encode(b"abc")));
    sent.headers_mut().insert(ACCEPT, HeaderValue::from_static("application/grpc-web+proto"));
    let response = send(Exposed::default(), sent, echo);
    assert_eq!(response.headers()[CONTENT_TYPE], "application/grpc-web+proto");
    assert_eq!(pieces(response.into_body()).concat()[..8], *encode(b"abc"));
}

#[test]
fn a_servicers_content_encoding_is_no_word_on_the_body() {
    let sent = request("application/grpc-web", encode(b"a"));
    let response = send(Exposed::default(), sent, |asked| {
        let mut response = echo(asked);
        response.headers_mut().insert("content-encoding", HeaderValue::from_static("gzip"));
        response
    });
    assert!(!response.headers().contains_key("content-encoding"));
}

#[test]
fn text_that_is_not_base64_fails_the_request() {
    let response = send(Exposed::default(), request("application/grpc-web-text", "!!!!"), |(_, body)| {
        Status::from(body.unwrap_err()).into_response()
    });
    assert_eq!(response.headers()["grpc-status"], "3");
}

#[test]
fn a_stream_goes_out_piece_by_piece() {
    let answer = |_: Asked| {
        let mut ending = Status::aborted("a b").into_trailers();
        ending.insert("x-bin", HeaderValue::from_static("AQI"));
        let body = stream(vec![
            Ok(Frame::data(encode(b"a"))),
            Ok(Frame::data(encode(b"bc"))),
            Ok(Frame::trailers(ending)),
        ]);
        Response::builder().header(CONTENT_TYPE, "application/grpc").body(body).unwrap()
    };
    let response = send(Exposed::default(), request("application/grpc-web+proto", ""), answer);
    let outcome = response.extensions().get::<Outcome>().cloned().unwrap();
    assert_eq!(outcome.get(), None);
    let binary = pieces(response.into_body());
    assert_eq!(outcome.get(), Some(Code::Aborted));
    assert_eq!(binary[..2], [encode(b"a"), encode(b"bc")]);
    let ending = trailers(&binary[2]);
    assert_eq!(
        (&ending["grpc-status"], &ending["grpc-message"], &ending["x-bin"]),
        (&"10".parse().unwrap(), &"a b".parse().unwrap(), &"AQI".parse().unwrap())
    );

    let response = send(Exposed::default(), request("application/grpc-web-text", ""), answer);
    let text: Vec<Bytes> = pieces(response.into_body());
    assert_eq!(text.iter().map(|piece| STANDARD.decode(piece).unwrap()).collect::<Vec<_>>(), binary);
}

#[test]
fn a_lone_head_stays_one() {
    let response = send(Exposed::default(), request("application/grpc-web", ""), |_| {
        Status::not_found("no").into_response()
    });
    assert_eq!(
        (&response.headers()["grpc-status"], &response.headers()["grpc-message"]),
        (&"5".parse().unwrap(), &"no".parse().unwrap())
    );
    assert_eq!(response.headers()[CONTENT_TYPE], "application/grpc-web");
    assert!(pieces(response.into_body()).is_empty());
}

#[test]
fn a_stream_that_breaks_says_why_if_it_knows() {
    let answer = |error: narthex_wire::BoxError| {
        let body = stream(vec![Ok(Frame::data(encode(b"a"))), Err(error)]);
        Response::builder().header(CONTENT_TYPE, "application/grpc").body(body).unwrap()
    };
    let response = send(Exposed::default(), request("application/grpc-web", ""), |_| {
        answer(Status::unavailable("x").into())
    });
    assert_eq!(trailers(&pieces(response.into_body())[1])["grpc-status"], "14");
    let response = send(Exposed::default(), request("application/grpc-web", ""), |_| answer("lost".into()));
    let mut body = response.into_body();
    let next = |body: &mut Body| futures_util::FutureExt::now_or_never(body.frame()).unwrap();
    assert!(
        next(&mut body).unwrap().is_ok() && next(&mut body).unwrap().is_err() && next(&mut body).is_none()
    );
    let silent = |_: Asked| {
        Response::builder()
            .header(CONTENT_TYPE, "application/grpc")
            .body(stream(vec![Ok(Frame::data(encode(b"a")))]))
            .unwrap()
    };
    let response = send(Exposed::default(), request("application/grpc-web", ""), silent);
    assert_eq!(trailers(&pieces(response.into_body())[1])["grpc-status"], "2");
}

#[test]
fn what_is_not_exposed_does_not_exist() {
    let exposed = Exposed::from_iter([Selector::parse("other.Service").unwrap()]);
    let response =
        send(exposed, request("application/grpc-web", encode(b"")), |_| unreachable!("it is hidden"));
    assert_eq!(response.headers()["grpc-status"], "12");
    assert_eq!(response.headers()[CONTENT_TYPE], "application/grpc-web");
}

#[test]
fn everything_else_is_untouched() {
    for (method, content_type) in [
        ("POST", "application/grpc"),
        ("POST", "application/json"),
        ("GET", "application/grpc-web"),
        ("OPTIONS", ""),
    ] {
        let request = Request::builder()
            .method(method)
            .uri("/s.S/M?%41")
            .header(CONTENT_TYPE, content_type)
            .header("x-grpc-web", "1")
            .body(Body::from("x"))
            .unwrap();
        let exposed = Exposed::from_iter([]);
        let response = send(exposed, request, |(head, body)| {
            assert_eq!((head.uri.to_string(), head.headers.len()), ("/s.S/M?%41".to_owned(), 2));
            assert_eq!(
                (&head.headers[CONTENT_TYPE], body.unwrap().data),
                (&HeaderValue::from_str(content_type).unwrap(), "x".into())
            );
            Response::builder().header(CONTENT_TYPE, "application/grpc").body(Body::from("y")).unwrap()
        });
        assert_eq!(response.headers()[CONTENT_TYPE], "application/grpc");
        assert_eq!(pieces(response.into_body()), ["y"]);
    }
}
