use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode};
use http_body::Body as _;
use narthex_wire::{Code, CollectError, Status};

/// semantics of google/rpc/code.proto, with the names.
const CODES: [(Code, &str, u16); 17] = [
    (Code::Ok, "OK", 200),
    (Code::Cancelled, "CANCELLED", 499),
    (Code::Unknown, "UNKNOWN", 500),
    (Code::InvalidArgument, "INVALID_ARGUMENT", 400),
    (Code::DeadlineExceeded, "DEADLINE_EXCEEDED", 504),
    (Code::NotFound, "NOT_FOUND", 404),
    (Code::AlreadyExists, "ALREADY_EXISTS", 409),
    (Code::PermissionDenied, "PERMISSION_DENIED", 403),
    (Code::ResourceExhausted, "RESOURCE_EXHAUSTED", 429),
    (Code::FailedPrecondition, "FAILED_PRECONDITION", 400),
    (Code::Aborted, "ABORTED", 409),
    (Code::OutOfRange, "OUT_OF_RANGE", 400),
    (Code::Unimplemented, "UNIMPLEMENTED", 501),
    (Code::Internal, "INTERNAL", 500),
    (Code::Unavailable, "UNAVAILABLE", 503),
    (Code::DataLoss, "DATA_LOSS", 500),
    (Code::Unauthenticated, "UNAUTHENTICATED", 401),
];

#[test]
fn every_code() {
    for ((code, name, http), number) in CODES.into_iter().zip(0..) {
        assert_eq!(i32::from(code), number);
        assert_eq!(Code::from_i32(number), code);
        assert_eq!(code.name(), name);
        assert_eq!(code.http(), http);
        assert_eq!(code.to_header(), number.to_string());
        assert_eq!(Code::from_header(&code.to_header()), code);
    }
    for number in [-1, 17, i32::MAX, i32::MIN] {
        assert_eq!(Code::from_i32(number), Code::Unknown);
    }
    for text in ["", "00", "05", "17", "x", "-1", " 5"] {
        assert_eq!(Code::from_header(&HeaderValue::from_str(text).unwrap()), Code::Unknown, "{text:?}");
    }
}

#[test]
fn http_without_a_grpc_status() {
    for (http, code) in [
        (400, Code::Internal),
        (401, Code::Unauthenticated),
        (403, Code::PermissionDenied),
        (404, Code::Unimplemented),
        (429, Code::Unavailable),
        (431, Code::Internal),
        (502, Code::Unavailable),
        (503, Code::Unavailable),
        (504, Code::Unavailable),
        (200, Code::Unknown),
        (418, Code::Unknown),
        (500, Code::Unknown),
    ] {
        assert_eq!(Code::from_http(StatusCode::from_u16(http).unwrap()), code, "{http}");
    }
}

#[test]
fn ok_is_one_trailer() {
    let trailers = Status::ok().to_trailers();
    assert_eq!(trailers.len(), 1);
    assert_eq!(trailers["grpc-status"], "0");
}

#[test]
fn everything_survives_the_trailers() {
    let mut metadata = HeaderMap::new();
    metadata.append("x-twice", HeaderValue::from_static("1"));
    metadata.append("x-twice", HeaderValue::from_static("2"));
    let status = Status::not_found("no book «7» at 100%\n")
        .with_details(Bytes::from_static(&[8, 5, 255]))
        .with_metadata(metadata.clone());
    let trailers = status.to_trailers();
    assert_eq!(trailers["grpc-status"], "5");
    assert_eq!(trailers["grpc-message"], "no book %C2%AB7%C2%BB at 100%25%0A");
    assert_eq!(trailers["grpc-status-details-bin"], "CAX/");
    let back = Status::from_trailers(&trailers).unwrap();
    assert_eq!(back.code(), Code::NotFound);
    assert_eq!(back.message(), "no book «7» at 100%\n");
    assert_eq!(back.details(), &[8u8, 5, 255].as_slice());
    assert_eq!(back.metadata(), &metadata);
    assert_eq!(back.to_string(), "NOT_FOUND: no book «7» at 100%\n");
}

#[test]
fn trailers_from_strangers() {
    assert!(Status::from_trailers(&HeaderMap::new()).is_none());
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("fine"));
    trailers.insert("grpc-message", HeaderValue::from_bytes(b"%zz%\xff%e2%82").unwrap());
    trailers.insert("grpc-status-details-bin", HeaderValue::from_static("!!"));
    let status = Status::from_trailers(&trailers).unwrap();
    assert_eq!(status.code(), Code::Unknown);
    assert_eq!(status.message(), "%zz%\u{fffd}\u{fffd}");
    assert!(status.details().is_empty());
}

#[test]
fn a_response_is_trailers_only() {
    let response = Status::internal("boom").into_response();
    assert_eq!(response.status(), 200);
    assert!(response.body().is_end_stream());
    assert_eq!(response.headers()["content-type"], "application/grpc");
    assert_eq!(response.headers()["grpc-status"], "13");
    assert_eq!(response.headers()["grpc-message"], "boom");
}

#[test]
fn a_body_over_the_limit_is_resource_exhausted() {
    assert_eq!(Status::from(CollectError::TooLarge { limit: 5 }).code(), Code::ResourceExhausted);
    assert_eq!(Status::from(CollectError::Body("gone".into())).code(), Code::Cancelled);
}
