use http::header::CONTENT_TYPE;
use http::{Request, Response};
use narthex_wire::Body;

use crate::{read, send};

#[test]
fn what_is_not_connects_is_untouched() {
    for (method, target, content_type, version) in [
        // Another layer's JSON, gRPC, and what nobody claims.
        ("POST", "/s.S/Set", "application/json", false),
        ("POST", "/s.S/Set", "application/proto", false),
        ("POST", "/s.S/Set", "application/grpc", false),
        ("POST", "/s.S/Set", "", false),
        // Not a method of ours.
        ("POST", "/s.S/Other", "application/json", true),
        ("POST", "/s.S/Other", "application/connect+proto", true),
        ("GET", "/s.S/Other?connect=v1&encoding=json&message=%7B%7D", "", false),
        // Not a call.
        ("GET", "/s.S/Get?message=%7B%7D&encoding=json", "", false),
        ("GET", "/s.S/Get?xconnect=v1", "", false),
        ("OPTIONS", "/s.S/Get", "application/json", true),
        ("PUT", "/s.S/Set", "application/json", true),
    ] {
        let mut request = Request::builder().method(method).uri(target).header("x-%", "1");
        if !content_type.is_empty() {
            request = request.header(CONTENT_TYPE, content_type);
        }
        if version {
            request = request.header("connect-protocol-version", "1");
        }
        let request = request.body(Body::from("x")).unwrap();
        let (before, headers) =
            ((request.method().clone(), request.uri().clone()), request.headers().clone());
        let response = send(request, move |(head, body)| {
            assert_eq!(((head.method, head.uri), head.headers), (before.clone(), headers.clone()));
            assert_eq!(body.unwrap().data, "x");
            Response::builder()
                .header(CONTENT_TYPE, "application/grpc")
                .header("grpc-status", "5")
                .body(Body::from("y"))
                .unwrap()
        });
        assert_eq!((response.headers().len(), read(response)), (2, "y".into()), "{method} {target}");
    }
}
