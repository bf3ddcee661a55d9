//! A status as JSON.

use narthex_protojson::{WriteOptions, status_details_to_json};

use crate::support::POOL;

fn json(code: i32, message: &str, status: &[u8]) -> String {
    let mut out = Vec::new();
    status_details_to_json(&POOL, code, message, status, &WriteOptions::default(), &mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn without_details() {
    assert_eq!(json(5, "a \"b\"", b""), r#"{"code":5,"message":"a \"b\""}"#);
    assert_eq!(json(13, "", b"\xff rubbish"), r#"{"code":13}"#);
    let options = WriteOptions { always_print: true, ..WriteOptions::default() };
    let mut out = Vec::new();
    status_details_to_json(&POOL, 13, "", b"", &options, &mut out);
    assert_eq!(out, br#"{"code":13,"message":"","details":[]}"#);
}

#[test]
fn a_detail_is_never_lost() {
    // Status { code: 3, message: "m", details: [Duration 3s, a type nobody knows, a Duration that is none] }
    let mut status = b"\x08\x03\x12\x01m".to_vec();
    for (url, value) in [
        ("t/google.protobuf.Duration", &b"\x08\x03"[..]),
        ("t/no.Such", b"\x01"),
        ("t/google.protobuf.Duration", b"\xff"),
    ] {
        let (url_len, value_len) = (u8::try_from(url.len()).unwrap(), u8::try_from(value.len()).unwrap());
        status.extend_from_slice(&[0x1a, url_len + value_len + 4, 0x0a, url_len]);
        status.extend_from_slice(url.as_bytes());
        status.extend_from_slice(&[0x12, value_len]);
        status.extend_from_slice(value);
    }
    assert_eq!(
        json(3, "", &status),
        r#"{"code":3,"message":"m","details":[{"@type":"t/google.protobuf.Duration","value":"3s"},{"@type":"t/no.Such","value":"AQ=="},{"@type":"t/google.protobuf.Duration","value":"/w=="}]}"#
    );
}
