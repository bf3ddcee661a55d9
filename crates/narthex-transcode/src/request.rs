//! The head of an HTTP request to that of a gRPC request, and the text of its target.

use std::borrow::Cow;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, request};
use narthex_wire::{metadata, names, timeout};
use percent_encoding::percent_decode_str;

use crate::error::Rejection;
use crate::options::Options;
use crate::route::Route;
use crate::rule::RequestBody;

/// Headers that are about the HTTP message, not the call.
const NOT_METADATA: [HeaderName; 14] = [
    header::CONNECTION,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::TE,
    header::TRAILER,
    header::HOST,
    header::EXPECT,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::CONTENT_ENCODING,
    header::ACCEPT_ENCODING,
    header::RANGE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

/// Refuses a body that this route cannot take, before any of it is read.
///
/// JSON is what says it is JSON, and also what says nothing, text, or a form: that is what `curl -d` calls everything, and
/// Envoy's transcoder does not look at the type at all. So a browser may send JSON to another site without asking it, as
/// it may a form; a service that knows its clients by cookies has to defend itself as it does for forms.
pub(crate) fn check_body(route: &Route, headers: &HeaderMap, options: &Options) -> Result<(), Rejection> {
    let given = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let json = match route.body {
        RequestBody::None => return Ok(()),
        RequestBody::Raw | RequestBody::RawField(_) => false,
        RequestBody::Whole(_) | RequestBody::Field(_) => true,
    };
    if let Some(value) = headers.get(header::CONTENT_TYPE)
        && json
        && !may_be_json(value.as_bytes())
    {
        return Err(Rejection::MediaType { given: given(value) });
    }
    if let Some(value) = headers.get(header::CONTENT_ENCODING)
        && !value.as_bytes().eq_ignore_ascii_case(b"identity")
    {
        return Err(Rejection::Encoding { given: given(value) });
    }
    let length =
        headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| usize::try_from(length).is_ok_and(|length| length <= options.max_body)) {
        return Ok(());
    }
    if length.is_some() { Err(Rejection::TooLarge { limit: options.max_body }) } else { Ok(()) }
}

/// `application/json`, `application/problem+json; charset=utf-8` and the like; any text; a form.
fn may_be_json(content_type: &[u8]) -> bool {
    let essence = content_type.split(|&b| b == b';').next().unwrap_or_default().trim_ascii();
    let Some(slash) = essence.iter().position(|&b| b == b'/') else { return essence.is_empty() };
    let (kind, subtype) = (&essence[..slash], &essence[slash + 1..]);
    let suffix = subtype.len().checked_sub(5).map(|at| &subtype[at..]);
    subtype.eq_ignore_ascii_case(b"json")
        || suffix.is_some_and(|suffix| suffix.eq_ignore_ascii_case(b"+json"))
        || kind.eq_ignore_ascii_case(b"text")
        || essence.eq_ignore_ascii_case(b"application/x-www-form-urlencoded")
}

/// Turns the head of a request into that of the gRPC call of `route`; extensions are kept.
pub(crate) fn to_grpc(head: &mut request::Parts, route: &Route) {
    head.method = Method::POST;
    head.uri = route.target().clone();
    to_metadata(&mut head.headers);
    head.headers.insert(header::CONTENT_TYPE, names::APPLICATION_GRPC.clone());
    head.headers.insert(header::TE, HeaderValue::from_static("trailers"));
}

/// Leaves of HTTP headers what may be metadata of a call.
///
/// A client's `grpc-*` are not gRPC's here, save `grpc-timeout`, which asks for a deadline as it does in grpc-gateway.
/// `x-envoy-original-*` are words of Envoy's transcoder, never of its clients. Values that gRPC cannot carry (a `-bin`
/// that is no base64, text that is not ASCII) are left out with their header.
fn to_metadata(headers: &mut HeaderMap) {
    let named_by_connection = named_by_connection(headers);
    let has_timeout = timeout::parse(headers).is_some();
    let drop_it = |name: &HeaderName| {
        NOT_METADATA.contains(name)
            || !is_metadata_name(name.as_str())
            || (name.as_str().starts_with("grpc-") && !(has_timeout && name == names::GRPC_TIMEOUT))
            || name.as_str().starts_with("x-envoy-original-")
            || named_by_connection.iter().any(|other| other.eq_ignore_ascii_case(name.as_str()))
    };
    let bad_value = |name: &HeaderName, value: &HeaderValue| {
        if metadata::is_binary(name.as_str()) {
            metadata::decode_bin(value.as_bytes()).any(|decoded| decoded.is_err())
        } else {
            value.to_str().is_err()
        }
    };
    let dropped: Vec<HeaderName> = headers
        .iter()
        .filter(|(name, value)| drop_it(name) || bad_value(name, value))
        .map(|(name, _)| name.clone())
        .collect();
    for name in dropped {
        headers.remove(name);
    }
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
fn is_metadata_name(name: &str) -> bool {
    name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'.' | b'-'))
}

/// Percent-decodes text of a path or query; with `keep_slash`, `%2F` stays as it is.
///
/// google/api/http.proto: a variable of one segment is decoded whole, one of several all but the slash.
pub(crate) fn unescape(text: &str, keep_slash: bool) -> Result<Cow<'_, str>, &'static str> {
    if !text.contains('%') {
        return Ok(Cow::Borrowed(text));
    }
    let bytes = text.as_bytes();
    let well_formed =
        bytes.iter().enumerate().filter(|(_, b)| **b == b'%').all(|(at, _)| {
            bytes.get(at + 1..at + 3).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit))
        });
    if !well_formed {
        return Err("\"%\" takes two hexadecimal digits");
    }
    if !keep_slash {
        return percent_decode_str(text).decode_utf8().map_err(|_| "it is not UTF-8");
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        let (before, escape) = rest.split_at(at);
        out.extend_from_slice(before.as_bytes());
        let (escape, after) = escape.split_at(3);
        if escape.eq_ignore_ascii_case("%2F") {
            out.extend_from_slice(escape.as_bytes());
        } else {
            out.extend(percent_decode_str(escape));
        }
        rest = after;
    }
    out.extend_from_slice(rest.as_bytes());
    String::from_utf8(out).map(Cow::Owned).map_err(|_| "it is not UTF-8")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_types() {
        for yes in [
            "application/json",
            "Application/JSON; charset=utf-8",
            "application/merge-patch+json",
            "model/JSON",
            "",
            "; charset=utf-8",
            "text/plain;charset=UTF-8",
            "Text/x",
            "application/X-WWW-form-urlencoded",
        ] {
            assert!(may_be_json(yes.as_bytes()), "{yes}");
        }
        for no in [
            "application/jsonx",
            "json",
            "text",
            "multipart/form-data; boundary=x",
            "application/octet-stream",
            "application/xml",
            "application/x-protobuf",
            "application/x-www-form-urlencoded2",
        ] {
            assert!(!may_be_json(no.as_bytes()), "{no}");
        }
    }

    #[test]
    fn escapes() {
        assert_eq!(unescape("a%2Fb%20c", false).unwrap(), "a/b c");
        assert_eq!(unescape("%20a%2fb%20%252F%2D%2F%C3%A9", true).unwrap(), " a%2fb %2F-%2Fé");
        assert_eq!(unescape("plain", true).unwrap(), "plain");
        for bad in ["%", "%2", "%zz", "%ff"] {
            assert!(unescape(bad, false).is_err() && unescape(bad, true).is_err(), "{bad}");
        }
    }

    #[test]
    fn metadata_is_what_belongs_to_the_call() {
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
        to_metadata(&mut headers);
        let mut left: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["accept", "authorization", "cookie", "good-bin", "grpc-timeout"]);
    }

    #[test]
    fn a_timeout_nobody_can_read_is_dropped() {
        let mut headers = HeaderMap::new();
        headers.insert("grpc-timeout", HeaderValue::from_static("soon"));
        to_metadata(&mut headers);
        assert!(headers.is_empty());
    }
}
