//! What the body of a request is, by its headers and its binding.

use http::header::{self, HeaderMap, HeaderValue};
use narthex_protojson::Kind;
use narthex_wire::Encoding;
use narthex_wire::protocol::essence;

use crate::error::Rejection;
use crate::options::Options;
use crate::route::Route;
use crate::rule::{BodyField, RequestBody};
use crate::stream::StreamFormat;
use crate::template::Dialect;

/// How the bytes of a body are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reading {
    /// As JSON; also where the binding is an HttpBody, which takes anything.
    Json,
    /// As a form, if it is one.
    Form,
    /// As multipart/form-data.
    Multipart,
    /// As they are, into a `bytes` field.
    Bytes,
}

/// What the head of a request says of its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BodyPlan {
    pub(crate) reading: Reading,
    /// How it is compressed.
    pub(crate) encoding: Encoding,
}

/// Refuses a body that this route cannot take, before any of it is read.
///
/// JSON is what says it is JSON, and also what says nothing, text, or a form that is none: that is what `curl -d` calls
/// everything, and Envoy's transcoder does not look at the type at all. So a browser may send JSON to another site without
/// asking it, as it may a form; a service that knows its clients by cookies has to defend itself as it does for forms.
pub(crate) fn plan(route: &Route, headers: &HeaderMap, options: &Options) -> Result<BodyPlan, Rejection> {
    if matches!(route.body, RequestBody::None) {
        return Ok(BodyPlan { reading: Reading::Json, encoding: Encoding::Identity });
    }
    let reading = match options.dialect {
        Dialect::Envoy => Reading::Json,
        Dialect::Specification => reading(route, headers)?,
    };
    let encoding = encoding(headers)?;
    // A stream may be longer than any message of it.
    if let (false, Some(length)) = (route.client_streams, content_length(headers))
        && !usize::try_from(length).is_ok_and(|length| length <= options.max_body)
    {
        return Err(Rejection::TooLarge { limit: options.max_body });
    }
    Ok(BodyPlan { reading, encoding })
}

fn reading(route: &Route, headers: &HeaderMap) -> Result<Reading, Rejection> {
    if matches!(route.body, RequestBody::Raw | RequestBody::RawField(_)) {
        return Ok(Reading::Json);
    }
    let Some(value) = headers.get(header::CONTENT_TYPE) else { return Ok(Reading::Json) };
    let kind = essence(value.as_bytes());
    let is = |name: &[u8]| kind.eq_ignore_ascii_case(name);
    let reading = if route.client_streams {
        // Every message of it is JSON, or a part.
        match of_type(&route.body, kind) {
            _ if is(b"multipart/form-data") || is(b"multipart/mixed") => Some(Reading::Multipart),
            _ if StreamFormat::of_body(headers) != StreamFormat::Array => Some(Reading::Json),
            Some(Reading::Form | Reading::Json) => Some(Reading::Json),
            _ => None,
        }
    } else if is(b"multipart/form-data") && route.body.form().is_some() {
        Some(Reading::Multipart)
    } else {
        of_type(&route.body, kind)
    };
    reading.ok_or_else(|| Rejection::MediaType { given: lossy(value) })
}

/// How a part of a multipart body is read that is a message of a stream.
pub(crate) fn of_part(body: &RequestBody, content_type: &[u8], is_file: bool) -> Result<Reading, Rejection> {
    if is_file && is_bytes(body) {
        return Ok(Reading::Bytes);
    }
    of_type(body, essence(content_type)).ok_or_else(|| Rejection::MediaType {
        given: format!("in parts, and one is {}", String::from_utf8_lossy(content_type)),
    })
}

/// How text of this type becomes one message; `None` if it cannot.
fn of_type(body: &RequestBody, kind: &[u8]) -> Option<Reading> {
    if kind.is_empty() || type_is_json(kind) {
        Some(Reading::Json)
    } else if kind.eq_ignore_ascii_case(b"application/x-www-form-urlencoded") {
        Some(if body.form().is_some() { Reading::Form } else { Reading::Json })
    } else if is_bytes(body) {
        Some(Reading::Bytes)
    } else {
        let is_text = kind.get(..5).is_some_and(|kind| kind.eq_ignore_ascii_case(b"text/"));
        is_text.then_some(Reading::Json)
    }
}

/// Whether the body is a field that takes bytes as they are.
fn is_bytes(body: &RequestBody) -> bool {
    match body {
        RequestBody::Field(BodyField { field, .. }) => {
            !field.is_list() && !field.is_map() && matches!(field.kind(), Kind::Bytes)
        }
        _ => false,
    }
}

fn encoding(headers: &HeaderMap) -> Result<Encoding, Rejection> {
    let mut values = headers.get_all(header::CONTENT_ENCODING).iter();
    let (Some(value), more) = (values.next(), values.next()) else { return Ok(Encoding::Identity) };
    let name = value.as_bytes().trim_ascii();
    // RFC 9110 8.4.1.3: an older name of the same.
    let name = if name.eq_ignore_ascii_case(b"x-gzip") { b"gzip" } else { name };
    let encoding = Encoding::from_name(name).filter(|_| more.is_none());
    encoding.ok_or_else(|| Rejection::Encoding { given: lossy(value) })
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn lossy(value: &HeaderValue) -> String {
    String::from_utf8_lossy(value.as_bytes()).into_owned()
}

/// Whether the body says that it is JSON: `application/json`, `application/problem+json; charset=utf-8` and the like.
pub(crate) fn is_json(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|value| type_is_json(essence(value.as_bytes())))
}

pub(crate) fn type_is_json(essence: &[u8]) -> bool {
    let Some(slash) = essence.iter().position(|&byte| byte == b'/') else { return false };
    let subtype = &essence[slash + 1..];
    let suffix = subtype.len().checked_sub(5).map(|at| &subtype[at..]);
    subtype.eq_ignore_ascii_case(b"json")
        || suffix.is_some_and(|suffix| suffix.eq_ignore_ascii_case(b"+json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_types() {
        for yes in ["application/json", "Application/JSON", "application/merge-patch+json", "model/JSON"] {
            assert!(type_is_json(yes.as_bytes()), "{yes}");
        }
        for no in ["application/jsonx", "json", "", "text/plain", "application/json-seq", "application/+jso"]
        {
            assert!(!type_is_json(no.as_bytes()), "{no}");
        }
    }
}
