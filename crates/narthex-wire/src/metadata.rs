//! Metadata as headers: reserved names, `-bin` values, and the message's percent-coding.

use std::borrow::Cow;
use std::fmt;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use percent_encoding::{AsciiSet, CONTROLS, percent_decode, utf8_percent_encode};

use crate::names::GRPC_TIMEOUT;
use crate::timeout;

/// Headers that are about the HTTP message, not the call, besides those of one hop.
const OF_THE_MESSAGE: [HeaderName; 7] = [
    header::HOST,
    header::EXPECT,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::CONTENT_ENCODING,
    header::ACCEPT_ENCODING,
    header::RANGE,
];

/// All but 0x20-0x24 and 0x26-0x7E; what is not ASCII is always encoded.
const MESSAGE: &AsciiSet = &CONTROLS.add(b'%');

/// Writes no padding, reads both forms.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// A field's value without the spaces and tabs around it, which are none of it (RFC 9110 5.5): HTTP/1 takes them off, in HTTP/2
/// a field that has them is malformed (RFC 9113 8.2.1), and many clients reset its stream.
pub fn without_margins(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// A status message as a `grpc-message` value.
pub fn percent_encode_message(message: &str) -> HeaderValue {
    let inner = message.trim_matches(' ');
    let mut encoded: Cow<'_, str> = utf8_percent_encode(inner, MESSAGE).into();
    if inner.len() < message.len() {
        // Within a message spaces need no code, but a value must not have them at its ends (see `without_margins`).
        let before = message.len() - message.trim_start_matches(' ').len();
        let after = message.len() - inner.len() - before;
        encoded = format!("{}{encoded}{}", "%20".repeat(before), "%20".repeat(after)).into();
    }
    HeaderValue::try_from(encoded.into_owned()).expect("only visible ASCII and spaces are left")
}

/// The message in a `grpc-message` value. Bad escapes stay as they are and bad UTF-8 is replaced: this cannot fail.
pub fn percent_decode_message(value: &[u8]) -> Cow<'_, str> {
    match percent_decode(value).into() {
        Cow::Borrowed(bytes) => String::from_utf8_lossy(bytes),
        Cow::Owned(bytes) => Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()),
    }
}

/// Whether this (lower-case) name is the protocol's own, which an application neither sees nor sets as metadata.
///
/// These are the fields that gRPC itself has in its heads and trailers, and what HTTP needs to carry a call. Others that begin
/// with `grpc-` are between the applications: `grpc-retry-pushback-ms` is a servicer's word to its client's library.
pub fn is_reserved(name: &str) -> bool {
    match name.strip_prefix("grpc-") {
        Some(rest) => {
            matches!(rest, "status" | "message" | "timeout" | "encoding" | "accept-encoding" | "message-type")
        }
        None => {
            matches!(name, "content-type" | "host" | "content-length")
                || is_hop_by_hop(name)
                || name.starts_with(':')
        }
    }
}

/// Whether values under this name are bytes, in base64 on the wire.
pub fn is_binary(name: &str) -> bool {
    name.ends_with("-bin")
}

/// Bytes as a `-bin` value: standard base64 without padding.
pub fn encode_bin(value: &[u8]) -> HeaderValue {
    HeaderValue::try_from(BASE64.encode(value)).expect("base64 is visible ASCII")
}

/// The values in a `-bin` header: several may be joined by commas, each with or without padding.
///
/// # Errors
///
/// An item is an error where the text is not base64.
pub fn decode_bin(value: &[u8]) -> impl Iterator<Item = Result<Vec<u8>, NotBase64>> + '_ {
    value.split(|byte| *byte == b',').map(|part| BASE64.decode(part.trim_ascii()).map_err(|_| NotBase64))
}

/// The value of a `-bin` header is not base64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotBase64;

impl fmt::Display for NotBase64 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the value of a -bin header is not base64")
    }
}

impl std::error::Error for NotBase64 {}

/// Leaves of an HTTP request's headers what may be metadata of a call.
///
/// A client's `grpc-*` are not gRPC's here, save `grpc-timeout`, which asks for a deadline as it does in grpc-gateway.
/// `x-envoy-original-*` are words of Envoy's transcoder, never of its clients. Values that gRPC cannot carry (a `-bin`
/// that is no base64, text that is not ASCII) are left out with their header.
pub fn keep_metadata(headers: &mut HeaderMap) {
    let named_by_connection = named_by_connection(headers);
    let drop_it = |name: &HeaderName| {
        is_hop_by_hop(name.as_str())
            || OF_THE_MESSAGE.contains(name)
            || !is_name(name.as_str())
            || (name.as_str().starts_with("grpc-")
                && !(name == GRPC_TIMEOUT && timeout::parse(headers).is_some()))
            || name.as_str().starts_with("x-envoy-original-")
            || named_by_connection.iter().any(|other| other.eq_ignore_ascii_case(name.as_str()))
    };
    let bad_value = |name: &HeaderName, value: &HeaderValue| {
        if is_binary(name.as_str()) {
            decode_bin(value.as_bytes()).any(|decoded| decoded.is_err())
        } else {
            value.to_str().is_err()
        }
    };
    let is_dropped = |(name, value): &(&HeaderName, &HeaderValue)| drop_it(name) || bad_value(name, value);
    if headers.iter().all(|header| is_dropped(&header)) {
        return headers.clear();
    }
    let dropped: Vec<HeaderName> = headers.iter().filter(is_dropped).map(|(name, _)| name.clone()).collect();
    for name in dropped {
        headers.remove(name);
    }
}

/// Leaves out what is about one connection and not the message (RFC 9110 7.6.1), as an intermediary has to.
pub fn drop_hop_by_hop(headers: &mut HeaderMap) {
    for name in named_by_connection(headers) {
        headers.remove(name);
    }
    let dropped: Vec<HeaderName> =
        headers.keys().filter(|name| is_hop_by_hop(name.as_str())).cloned().collect();
    for name in dropped {
        headers.remove(name);
    }
}

/// Whether it is for one hop alone, also where `connection` does not name it.
fn is_hop_by_hop(name: &str) -> bool {
    matches!(
        name,
        "connection" | "transfer-encoding" | "upgrade" | "te" | "trailer" | "keep-alive" | "proxy-connection"
    )
}

/// RFC 9110 7.6.1: the headers that `connection` names are for this hop alone.
fn named_by_connection(headers: &HeaderMap) -> Vec<String> {
    let values = headers.get_all(header::CONNECTION).iter().filter_map(|value| value.to_str().ok());
    let tokens = values.flat_map(|value| value.split(',')).map(str::trim);
    // These two are no header names that matter, and nearly always all there is.
    tokens
        .filter(|token| !token.eq_ignore_ascii_case("keep-alive") && !token.eq_ignore_ascii_case("close"))
        .map(str::to_owned)
        .collect()
}

/// gRPC's keys are narrower than HTTP's: `[0-9a-z_.-]`.
fn is_name(name: &str) -> bool {
    name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'.' | b'-'))
}
