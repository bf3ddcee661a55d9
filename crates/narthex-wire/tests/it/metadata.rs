use http::{HeaderMap, HeaderName, HeaderValue};
use narthex_wire::metadata::{
    NotBase64, decode_bin, encode_bin, is_binary, is_reserved, keep_metadata, percent_decode_message,
    percent_encode_message, without_margins,
};
use proptest::prelude::*;

#[test]
fn the_message_keeps_what_may_stay() {
    let visible: String = ('!'..='~').chain([' ', 'x']).filter(|c| *c != '%').collect();
    assert_eq!(percent_encode_message(&visible), visible);
    assert_eq!(percent_encode_message("%\t\r\n\u{7f}é"), "%25%09%0D%0A%7F%C3%A9");
    // At the ends of a field's value HTTP/2 has no spaces (RFC 9113 8.2.1).
    for (message, expect) in [("  a b ", "%20%20a b%20"), (" ", "%20"), ("", "")] {
        assert_eq!(percent_encode_message(message), expect);
    }
}

#[test]
fn values_have_no_margins() {
    for (value, expect) in [("\t a b\t ", "a b"), (" \t", ""), ("", ""), ("a", "a"), ("\ra\n", "\ra\n")] {
        assert_eq!(without_margins(value.as_bytes()), expect.as_bytes());
    }
}

#[test]
fn bad_escapes_stay() {
    for (text, expect) in [("100%", "100%"), ("%4", "%4"), ("%g0 %41", "%g0 A"), ("%c3%a9", "é")] {
        assert_eq!(percent_decode_message(text.as_bytes()), expect);
    }
}

#[test]
fn bytes_are_unpadded_out_and_both_in() {
    assert_eq!(encode_bin(b"a"), "YQ");
    assert_eq!(encode_bin(b""), "");
    let decode = |value: &[u8]| decode_bin(value).collect::<Vec<_>>();
    assert_eq!(decode(b"YQ"), [Ok(b"a".to_vec())]);
    assert_eq!(decode(b"YQ=="), [Ok(b"a".to_vec())]);
    assert_eq!(decode(b"YQ==,Yg, Yw"), [Ok(b"a".to_vec()), Ok(b"b".to_vec()), Ok(b"c".to_vec())]);
    assert_eq!(decode(b""), [Ok(vec![])]);
    assert_eq!(decode(b"!!,YQ"), [Err(NotBase64), Ok(b"a".to_vec())]);
}

#[test]
fn names() {
    for name in ["grpc-status", "grpc-timeout", "grpc-accept-encoding", "te", "content-type", ":path", "host"]
    {
        assert!(is_reserved(name), "{name}");
    }
    for name in [
        "authorization",
        "user-agent",
        "x-grpc-foo",
        "grpc-status-details-bin",
        "grpc-trace-bin",
        "grpc-retry-pushback-ms",
        "grpc",
    ] {
        assert!(!is_reserved(name), "{name}");
    }
    assert!(is_binary("x-bin"));
    assert!(!is_binary("x-bin-not"));
}

proptest! {
    #[test]
    fn any_message_comes_back(message in any::<String>()) {
        let encoded = percent_encode_message(&message);
        prop_assert!(encoded.as_bytes().iter().all(|byte| (0x20..=0x7e).contains(byte)));
        prop_assert_eq!(without_margins(encoded.as_bytes()), encoded.as_bytes());
        prop_assert_eq!(percent_decode_message(encoded.as_bytes()), message);
    }

    #[test]
    fn any_bytes_come_back(value in prop::collection::vec(any::<u8>(), 0..50)) {
        let encoded = encode_bin(&value);
        prop_assert!(!encoded.as_bytes().contains(&b'='));
        prop_assert_eq!(decode_bin(encoded.as_bytes()).next(), Some(Ok(value)));
    }

    #[test]
    fn strangers_values_never_panic(value in prop::collection::vec(any::<u8>(), 0..50)) {
        let _ = percent_decode_message(&value);
        decode_bin(&value).for_each(drop);
    }
}

#[test]
fn of_http_headers_those_of_the_call_are_metadata() {
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("host", "a"),
        ("connection", "close, X-Hop"),
        ("x-hop", "1"),
        ("authorization", "Bearer x"),
        ("cookie", "a=b"),
        ("accept", "*/*"),
        ("accept-encoding", "gzip"),
        ("grpc-timeout", "5S"),
        ("grpc-encoding", "gzip"),
        ("x-envoy-original-method", "GET"),
        ("good-bin", "AQI"),
        ("bad-bin", "!!"),
        ("x!y", "1"),
    ] {
        headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    headers.append("x-latin", HeaderValue::from_bytes(b"\xe9").unwrap());
    keep_metadata(&mut headers);
    let mut left: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
    left.sort_unstable();
    assert_eq!(left, ["accept", "authorization", "cookie", "good-bin", "grpc-timeout"]);
}

#[test]
fn a_timeout_nobody_can_read_is_no_metadata() {
    let mut headers = HeaderMap::new();
    headers.insert("grpc-timeout", HeaderValue::from_static("soon"));
    keep_metadata(&mut headers);
    assert!(headers.is_empty());
}
