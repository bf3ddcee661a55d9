//! The head of an HTTP request to that of a gRPC request, and the text of its target.

use std::borrow::Cow;

use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, request};
use narthex_wire::{metadata, names};
use percent_encoding::percent_decode_str;

use crate::error::Rejection;
use crate::options::Options;
use crate::route::Route;
use crate::rule::RequestBody;

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

/// Whether the body says that it is JSON: `application/json`, `application/problem+json; charset=utf-8` and the like.
pub(crate) fn is_json(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|value| {
        let essence = essence(value.as_bytes());
        subtype_is_json(essence.split(|&b| b == b'/').nth(1).unwrap_or_default())
    })
}

/// What is JSON, any text, or a form.
fn may_be_json(content_type: &[u8]) -> bool {
    let essence = essence(content_type);
    let Some(slash) = essence.iter().position(|&b| b == b'/') else { return essence.is_empty() };
    let (kind, subtype) = (&essence[..slash], &essence[slash + 1..]);
    subtype_is_json(subtype)
        || kind.eq_ignore_ascii_case(b"text")
        || essence.eq_ignore_ascii_case(b"application/x-www-form-urlencoded")
}

/// A media type without its parameters.
fn essence(content_type: &[u8]) -> &[u8] {
    content_type.split(|&b| b == b';').next().unwrap_or_default().trim_ascii()
}

fn subtype_is_json(subtype: &[u8]) -> bool {
    let suffix = subtype.len().checked_sub(5).map(|at| &subtype[at..]);
    subtype.eq_ignore_ascii_case(b"json")
        || suffix.is_some_and(|suffix| suffix.eq_ignore_ascii_case(b"+json"))
}

/// Turns the head of a request into that of the gRPC call of `route`; extensions are kept.
pub(crate) fn to_grpc(head: &mut request::Parts, route: &Route) {
    head.method = Method::POST;
    head.uri = route.target().clone();
    metadata::keep_metadata(&mut head.headers);
    head.headers.insert(header::CONTENT_TYPE, names::APPLICATION_GRPC.clone());
    head.headers.insert(header::TE, HeaderValue::from_static("trailers"));
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
}
