//! A status as Connect writes it: JSON, whatever the codec.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use narthex_protojson::{Pool, StatusDetail, WriteOptions, status_details, wire_to_json};
use narthex_wire::{Code, Status};
use serde_json::{Map, Value, json};

/// Connect's word for a code.
const fn word(code: Code) -> &'static str {
    match code {
        // An error without a code, as far as Connect is concerned.
        Code::Ok | Code::Unknown => "unknown",
        Code::Cancelled => "canceled",
        Code::InvalidArgument => "invalid_argument",
        Code::DeadlineExceeded => "deadline_exceeded",
        Code::NotFound => "not_found",
        Code::AlreadyExists => "already_exists",
        Code::PermissionDenied => "permission_denied",
        Code::ResourceExhausted => "resource_exhausted",
        Code::FailedPrecondition => "failed_precondition",
        Code::Aborted => "aborted",
        Code::OutOfRange => "out_of_range",
        Code::Unimplemented => "unimplemented",
        Code::Internal => "internal",
        Code::Unavailable => "unavailable",
        Code::DataLoss => "data_loss",
        Code::Unauthenticated => "unauthenticated",
    }
}

/// `{"code": "not_found", "message": "...", "details": [...]}`.
pub(crate) fn error(status: &Status, pool: &Pool) -> Value {
    let mut object = Map::from_iter([("code".to_owned(), Value::from(word(status.code())))]);
    if !status.message().is_empty() {
        object.insert("message".to_owned(), status.message().into());
    }
    let details = status_details(status.details());
    if !details.is_empty() {
        object.insert("details".to_owned(), details.iter().map(|each| detail(each, pool)).collect());
    }
    object.into()
}

/// A detail, and for people what it says, where its type is known.
fn detail(detail: &StatusDetail, pool: &Pool) -> Value {
    let mut object = json!({"type": detail.type_name, "value": STANDARD_NO_PAD.encode(&detail.value)});
    let mut text = Vec::new();
    let written = pool
        .message(&detail.type_name)
        .is_some_and(|kind| wire_to_json(&kind, &detail.value, &WriteOptions::default(), &mut text).is_ok());
    if written && let Ok(debug) = serde_json::from_slice::<Value>(&text) {
        object["debug"] = debug;
    }
    object
}

/// What ends a stream: the error, if there is one, and the trailing metadata.
pub(crate) fn end_of_stream(status: &Status, pool: &Pool) -> Value {
    let mut object = Map::new();
    if status.code() != Code::Ok {
        object.insert("error".to_owned(), error(status, pool));
    }
    let metadata = metadata(status.metadata());
    if !metadata.is_empty() {
        object.insert("metadata".to_owned(), metadata.into());
    }
    object.into()
}

/// `{"name": ["value", "value"]}`.
fn metadata(headers: &HeaderMap) -> Map<String, Value> {
    let text = |value: &HeaderValue| Value::from(String::from_utf8_lossy(value.as_bytes()).into_owned());
    let is_metadata = |name: &&HeaderName| !narthex_wire::metadata::is_reserved(name.as_str());
    let names = headers.keys().filter(is_metadata);
    names.map(|name| (name.as_str().to_owned(), headers.get_all(name).iter().map(text).collect())).collect()
}
