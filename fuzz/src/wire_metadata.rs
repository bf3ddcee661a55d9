//! What metadata says in header values: text that is percent-coded, bytes in base64, timeouts.

use http::{HeaderMap, HeaderValue};
use narthex_wire::metadata::{decode_bin, encode_bin, percent_decode_message, percent_encode_message};
use narthex_wire::timeout;

/// The target.
pub fn run(data: &[u8]) {
    let message = percent_decode_message(data);
    assert_eq!(percent_decode_message(percent_encode_message(&message).as_bytes()), message);

    for value in decode_bin(data).flatten() {
        assert_eq!(decode_bin(encode_bin(&value).as_bytes()).collect::<Vec<_>>(), [Ok(value)]);
    }
    assert_eq!(decode_bin(encode_bin(data).as_bytes()).collect::<Vec<_>>(), [Ok(data.to_vec())]);

    if let Some(timeout) = HeaderValue::from_bytes(data).ok().and_then(timeout_of) {
        // Rounded up, by less than one in the last of eight digits.
        let again = timeout_of(timeout::format(timeout)).expect("what is written can be read");
        assert!(
            (timeout..=timeout + timeout / 1_000_000).contains(&again),
            "{timeout:?} came back as {again:?}"
        );
    }
}

fn timeout_of(value: HeaderValue) -> Option<std::time::Duration> {
    let mut headers = HeaderMap::new();
    headers.insert("grpc-timeout", value);
    timeout::parse(&headers)
}
