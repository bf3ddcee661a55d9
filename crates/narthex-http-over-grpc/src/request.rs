//! The HTTP request inside a call: method and path from the call's metadata, body and its type from the message.

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, TE};
use http::uri::{Authority, PathAndQuery};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version, request};
use narthex_wire::{Body, Origin, Scheme, Status};

use crate::http_body::HttpBody;

static ORIGINAL_METHOD: HeaderName = HeaderName::from_static("x-envoy-original-method");
static ORIGINAL_PATH: HeaderName = HeaderName::from_static("x-envoy-original-path");

/// What the request line of the request inside said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestLine {
    /// The method.
    pub method: Method,
    /// The path and query.
    pub target: PathAndQuery,
}

impl RequestLine {
    /// Reads the call's metadata, of repeated values the last.
    ///
    /// # Errors
    ///
    /// `INVALID_ARGUMENT` if there is no method or path, or one that HTTP does not allow.
    pub fn read(headers: &HeaderMap) -> Result<Self, Status> {
        Ok(Self { method: method(headers)?, target: target(headers)? })
    }
}

/// Makes the request that the application sees out of the call's head and its message.
///
/// What belongs to the call goes (`te`, `grpc-*`, the call's content type and length, `x-envoy-original-*`); everything
/// else stays as it is, `-bin` values undecoded, since a browser's header of such a name is not gRPC's. The extensions,
/// which say who the client is, are carried over.
///
/// # Errors
///
/// `INVALID_ARGUMENT` if the message's content type is none that a header can have.
pub fn unwrap(call: request::Parts, line: RequestLine, message: HttpBody) -> Result<Request<Body>, Status> {
    let RequestLine { method, target } = line;
    let scheme = call.extensions.get::<Origin>().map_or(Scheme::Http, |origin| origin.scheme);
    let uri = uri(scheme, call.uri.authority().cloned(), target)?;

    let mut headers = call.headers;
    strip(&mut headers);
    set_entity(&mut headers, &method, &message)?;

    let mut request = Request::new(Body::full(message.data));
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    *request.version_mut() = Version::HTTP_2;
    *request.headers_mut() = headers;
    *request.extensions_mut() = call.extensions;
    Ok(request)
}

/// The last value: Envoy appends its own after one that a client has forged.
fn last<'a>(headers: &'a HeaderMap, name: &'static HeaderName) -> Result<&'a HeaderValue, Status> {
    headers.get_all(name).iter().next_back().ok_or_else(|| {
        Status::invalid_argument(format!(
            "the call has no {name} metadata: this method takes calls made by Envoy's gRPC-JSON transcoder, \
             which sets x-envoy-original-method and x-envoy-original-path"
        ))
    })
}

fn method(headers: &HeaderMap) -> Result<Method, Status> {
    let value = last(headers, &ORIGINAL_METHOD)?;
    Method::from_bytes(value.as_bytes())
        .map_err(|_| Status::invalid_argument(format!("{ORIGINAL_METHOD} {value:?} is not an HTTP method")))
}

fn target(headers: &HeaderMap) -> Result<PathAndQuery, Status> {
    let value = last(headers, &ORIGINAL_PATH)?;
    let invalid =
        || Status::invalid_argument(format!("{ORIGINAL_PATH} {value:?} is not a path of an HTTP request"));
    if !matches!(value.as_bytes(), [b'/', ..] | b"*") {
        return Err(invalid());
    }
    PathAndQuery::from_maybe_shared(Bytes::copy_from_slice(value.as_bytes())).map_err(|_| invalid())
}

/// With an authority the URI has a scheme too; without one it is the path alone.
fn uri(scheme: Scheme, authority: Option<Authority>, target: PathAndQuery) -> Result<Uri, Status> {
    let mut parts = http::uri::Parts::default();
    parts.path_and_query = Some(target);
    if let Some(authority) = authority {
        parts.scheme = Some(match scheme {
            Scheme::Http => http::uri::Scheme::HTTP,
            Scheme::Https => http::uri::Scheme::HTTPS,
        });
        parts.authority = Some(authority);
    }
    Uri::from_parts(parts).map_err(|error| {
        Status::invalid_argument(format!("{ORIGINAL_PATH} and the call's authority make no URI: {error}"))
    })
}

fn strip(headers: &mut HeaderMap) {
    let ours = |name: &&HeaderName| {
        let name = name.as_str();
        name.starts_with("grpc-") || name.starts_with("x-envoy-original-")
    };
    let names: Vec<HeaderName> = headers.keys().filter(ours).cloned().collect();
    for name in &names {
        headers.remove(name);
    }
    for name in [TE, CONTENT_TYPE, CONTENT_LENGTH] {
        headers.remove(name);
    }
}

/// Content-Type and Content-Length as the client sent them: Envoy removes the length, and without it Django reads an
/// empty form.
fn set_entity(headers: &mut HeaderMap, method: &Method, message: &HttpBody) -> Result<(), Status> {
    if !message.content_type.is_empty() {
        let value = HeaderValue::from_maybe_shared(message.content_type.clone()).map_err(|_| {
            Status::invalid_argument("HttpBody.content_type is not a value that a header can have")
        })?;
        headers.insert(CONTENT_TYPE, value);
    }
    let expects_body = matches!(*method, Method::POST | Method::PUT | Method::PATCH);
    if expects_body || !message.data.is_empty() {
        headers.insert(CONTENT_LENGTH, message.data.len().into());
    }
    Ok(())
}
