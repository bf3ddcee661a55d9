//! The call's reply: the application's head as initial metadata, its body in one message.

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, TE, TRAILER, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderName, HeaderValue, Method, Response, StatusCode, response};
use narthex_wire::{Body, CollectError, Status, Trailers, unary_response};

use crate::STATUS_HEADER;
use crate::http_body::HttpBody;

static HTTP_CODE: HeaderName = HeaderName::from_static(STATUS_HEADER);

/// Makes the call's reply out of the application's response.
///
/// Its body is read to the end, of at most `limit` bytes: the reply is one message. The headers stay as they are,
/// repeated ones and `-bin` values too, except those of the connection and those that would pass for the call's own.
/// The content type travels in the message, and Envoy sets the length itself.
///
/// # Errors
///
/// `INTERNAL` if the body fails or is larger than the limit.
///
/// # Cancel safety
///
/// Dropping the future drops the body, which tells the application that the client is gone.
pub async fn wrap(method: &Method, response: Response<Body>, limit: usize) -> Result<Response<Body>, Status> {
    let (head, body) = response.into_parts();
    let bodyless = *method == Method::HEAD
        || head.status == StatusCode::NO_CONTENT
        || head.status == StatusCode::NOT_MODIFIED;
    // What has no body by HTTP's rules gets none, whatever the application sends.
    let body = if bodyless { Body::empty() } else { body };
    let collected = body.collect(limit).await.map_err(|error| match error {
        CollectError::TooLarge { limit } => Status::internal(format!(
            "the application's response is larger than {limit} bytes, which is all that HTTP over gRPC takes"
        )),
        CollectError::Body(error) => {
            Status::internal(format!("the application failed while it sent its response: {error}"))
        }
    })?;
    let trailers = collected.trailers.map_or(Trailers::OK, |more| with_others(Trailers::OK, more));
    Ok(reply(head, collected.data, trailers))
}

/// A response of our own, in plain text, to a request that the application must not see.
pub fn refuse(status: StatusCode, text: &'static str) -> Response<Body> {
    let (mut head, ()) = Response::new(()).into_parts();
    head.status = status;
    head.headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    reply(head, Bytes::from_static(text.as_bytes()), Trailers::OK)
}

fn reply(head: response::Parts, data: Bytes, trailers: Trailers) -> Response<Body> {
    let mut headers = head.headers;
    let content_type = headers.remove(CONTENT_TYPE).map_or_else(Bytes::new, |value| utf8(&value));
    for name in [CONTENT_LENGTH, CONNECTION, TRANSFER_ENCODING, TE, TRAILER, UPGRADE] {
        headers.remove(name);
    }
    let foreign: Vec<HeaderName> = headers.keys().filter(|name| is_calls_own(name)).cloned().collect();
    for name in &foreign {
        headers.remove(name);
    }
    headers.insert(&HTTP_CODE, head.status.as_u16().into());
    let mut response = unary_response(HttpBody { content_type, data }.encode(), headers, trailers);
    *response.extensions_mut() = head.extensions;
    response
}

/// Names that say something of the call or of our connection if they stand in its metadata.
fn is_calls_own(name: &HeaderName) -> bool {
    let name = name.as_str();
    name.starts_with("grpc-") || matches!(name, "keep-alive" | "proxy-connection")
}

/// The trailers with what the application's say beside them.
fn with_others(trailers: Trailers, more: Trailers) -> Trailers {
    let mut trailers = trailers.into_map();
    let mut current = None;
    for (name, value) in more.into_map() {
        current = name.or(current);
        if let Some(name) = current.as_ref().filter(|name| !is_calls_own(name)) {
            trailers.append(name, value);
        }
    }
    trailers.into()
}

/// The value as the UTF-8 that a string field must be.
fn utf8(value: &HeaderValue) -> Bytes {
    match std::str::from_utf8(value.as_bytes()) {
        Ok(text) => Bytes::copy_from_slice(text.as_bytes()),
        Err(_) => String::from_utf8_lossy(value.as_bytes()).into_owned().into(),
    }
}
