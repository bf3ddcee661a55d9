//! A gRPC response to an HTTP one.
//!
//! The status decides the head, so a unary response is read to its end first. Initial metadata become headers, and so do
//! trailing metadata: an HTTP client reads trailers seldom, HTTP/1.1 proxies drop them. `-bin` values stay base64.

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode, response};
use narthex_protojson::{Pool, status_details_to_json, wire_to_field_json, wire_to_json};
use narthex_wire::envelope::Decoder;
use narthex_wire::{Body, Code, CollectError, Encoding, Flow, Status, is_grpc};

use crate::http_body::HttpBody;
use crate::options::Options;
use crate::route::Route;
use crate::rule::ResponseBody;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const OCTETS: HeaderValue = HeaderValue::from_static("application/octet-stream");

/// Turns the answer of a gRPC service into the answer of its binding; what is not gRPC stays as it is.
pub(crate) async fn from_grpc(
    response: Response<Body>,
    route: &Route,
    pool: &Pool,
    options: &Options,
) -> Response<Body> {
    if !is_grpc(response.headers()) {
        return response;
    }
    let (head, body) = response.into_parts();
    let answer = read(&head, body).await;
    let mut response = match answer {
        Ok(Answer { message, metadata }) => match write(&message, route, options) {
            Ok((content_type, body)) => {
                let mut response = body_response(StatusCode::OK, content_type, body);
                add_metadata(response.headers_mut(), &metadata);
                response
            }
            Err(status) => status_response(&status, status.code().http(), pool, options),
        },
        Err(status) => status_response(&status, status.code().http(), pool, options),
    };
    add_metadata(response.headers_mut(), &head.headers);
    let mut extensions = head.extensions;
    extensions.insert(Flow::Json);
    *response.extensions_mut() = extensions;
    response
}

/// An error as google.rpc.Status JSON, with its trailing metadata as headers.
pub(crate) fn status_response(
    status: &Status,
    http: StatusCode,
    pool: &Pool,
    options: &Options,
) -> Response<Body> {
    let mut json = Vec::with_capacity(64 + status.message().len());
    let code = status.code() as i32;
    status_details_to_json(pool, code, status.message(), status.details(), &options.write, &mut json);
    let mut response = body_response(http, JSON, json.into());
    add_metadata(response.headers_mut(), status.metadata());
    response.extensions_mut().insert(Flow::Json);
    response
}

/// The answer to HEAD: the head of what GET would get.
pub(crate) fn without_body(response: Response<Body>) -> Response<Body> {
    response.map(|_| Body::empty())
}

fn body_response(status: StatusCode, content_type: HeaderValue, body: Bytes) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, content_type);
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    *response.body_mut() = Body::full(body);
    response
}

struct Answer {
    message: Bytes,
    /// Trailing metadata.
    metadata: HeaderMap,
}

/// Reads a unary response to its end. An error status wins over a message that came before it.
async fn read(head: &response::Parts, body: Body) -> Result<Answer, Status> {
    let collected = body.collect(usize::MAX).await.map_err(|error| match error {
        CollectError::TooLarge { limit } => {
            Status::new(Code::ResourceExhausted, format!("the response is larger than {limit} bytes"))
        }
        CollectError::Body(error) => Status::from_body_error(error),
    })?;
    // A trailers-only response has its status in the head; its metadata are those of the head already.
    let in_head =
        || Status::from_trailers(&head.headers).map(|status| status.with_metadata(HeaderMap::new()));
    let status = collected.trailers.as_ref().and_then(Status::from_trailers);
    let status = status.or_else(in_head).ok_or_else(|| {
        Status::new(Code::Unknown, "the gRPC service ended its response without a grpc-status")
    })?;
    if status.code() != Code::Ok {
        return Err(status);
    }
    let mut decoder = Decoder::new(Encoding::from_headers(&head.headers)?, usize::MAX);
    decoder.push(collected.data);
    let message = decoder.next()?;
    decoder.finish()?;
    match (message, decoder.next()?) {
        (Some(message), None) => Ok(Answer { message, metadata: status.metadata().clone() }),
        _ => Err(Status::new(Code::Internal, "the gRPC service did not answer with exactly one message")),
    }
}

/// The response message as the body of its binding.
fn write(message: &Bytes, route: &Route, options: &Options) -> Result<(HeaderValue, Bytes), Status> {
    let mut json = Vec::with_capacity(message.len() * 2 + 16);
    match &route.response {
        ResponseBody::Whole(kind) => wire_to_json(kind, message, &options.write, &mut json),
        ResponseBody::Field(field) => wire_to_field_json(field, message, &options.write, &mut json),
        ResponseBody::Raw => return raw(HttpBody::read(message)),
        ResponseBody::RawField(field) => return raw(HttpBody::read_field(message, field.number())),
    }
    .map_err(|error| {
        tracing::error!(method = route.place(), %error, "a response cannot be written as JSON");
        Status::new(Code::Internal, format!("the response cannot be written as JSON: {error}"))
    })?;
    Ok((JSON, json.into()))
}

fn raw(body: Option<HttpBody>) -> Result<(HeaderValue, Bytes), Status> {
    let body = body.ok_or_else(|| Status::new(Code::Internal, "the response is no google.api.HttpBody"))?;
    let content_type =
        HeaderValue::from_maybe_shared(body.content_type).ok().filter(|value| !value.is_empty());
    Ok((content_type.unwrap_or(OCTETS), body.data))
}

/// Adds metadata as headers; gRPC's own and those that belong to the HTTP message are not metadata.
fn add_metadata(headers: &mut HeaderMap, metadata: &HeaderMap) {
    let skip = |name: &HeaderName| {
        name.as_str().starts_with("grpc-") || narthex_wire::metadata::is_reserved(name.as_str())
    };
    for (name, value) in metadata.iter().filter(|(name, _)| !skip(name)) {
        headers.append(name.clone(), value.clone());
    }
}
