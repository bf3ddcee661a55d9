//! A gRPC response to an HTTP one.
//!
//! The status decides the head, so a unary response is read to its end first. Initial metadata become headers, and so do
//! trailing metadata: an HTTP client reads trailers seldom, HTTP/1.1 proxies drop them. `-bin` values stay base64.

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode, response};
use http_body::Body as _;
use narthex_protojson::{Pool, WriteOptions, status_details_to_json, wire_to_field_json, wire_to_json};
use narthex_wire::envelope::{self, Decoder};
use narthex_wire::{Accepted, Body, Code, CollectError, Encoding, Status};

use crate::details;
use crate::error::Rejection;
use crate::http_body::HttpBody;
use crate::layer::Shared;
use crate::route::Route;
use crate::rule::ResponseBody;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const OCTETS: HeaderValue = HeaderValue::from_static("application/octet-stream");

/// Answers of at least this many bytes are worth compressing.
const COMPRESSED_FROM: usize = 1024;

/// The encodings of answers, best first where a client likes several as well.
const ENCODINGS: [Encoding; 3] = [Encoding::Zstd, Encoding::Brotli, Encoding::Gzip];

/// The HTTP status of an answer that a servicer chooses, as in HTTP over gRPC.
static X_HTTP_CODE: HeaderName = HeaderName::from_static("x-http-code");

/// Turns the answer of a unary method into the answer of its binding.
pub(crate) async fn from_grpc(
    response: Response<Body>,
    route: &Route,
    accepted: Option<Accepted>,
    shared: &Shared,
) -> Response<Body> {
    let (mut head, body) = response.into_parts();
    let options = &shared.options;
    let answer = read(&head, body, options.max_response).await;
    let written = answer.and_then(|Answer { message, metadata }| {
        Ok((write(&message, &route.response, options.write)?, metadata))
    });
    let (written, trailing) = match written {
        Ok(written) => written,
        Err(status) => {
            let mut response = status_response(&status, &head.headers, shared);
            response.extensions_mut().extend(head.extensions);
            return response;
        }
    };
    head.status = chosen_status(&trailing).or_else(|| chosen_status(&head.headers)).unwrap_or(StatusCode::OK);
    keep_metadata(&mut head.headers);
    add_metadata(&mut head.headers, &trailing);
    let accepted = accepted.filter(|_| {
        !is_without_content(head.status) && written.is_worth_compressing() && may_be_compressed(&head.headers)
    });
    let mut response = Response::from_parts(head, Body::empty());
    match accepted {
        Some(accepted) => put_compressed(&mut response, written, accepted),
        None => put_body(&mut response, written),
    }
    response
}

/// The answer to a request that goes no further.
pub(crate) fn refuse(rejection: Rejection, shared: &Shared) -> Response<Body> {
    let http = rejection.http();
    let is_encoding = matches!(rejection, Rejection::Encoding { .. });
    let mut response = error_response(&rejection.into(), http, shared);
    if is_encoding {
        // RFC 9110 15.5.16: what would have been understood.
        response.headers_mut().insert(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip, br, zstd"));
    }
    response
}

/// An error of the call as google.rpc.Status JSON, with its trailing and the initial metadata as headers.
pub(crate) fn status_response(status: &Status, initial: &HeaderMap, shared: &Shared) -> Response<Body> {
    let chosen = chosen_status(status.metadata()).or_else(|| chosen_status(initial));
    let http = chosen.filter(|chosen| chosen.as_u16() >= 400).unwrap_or_else(|| status.code().http());
    let in_head = Status::from_trailers(initial).is_some();
    let mut response = error_response(status, http, shared);
    if !in_head {
        add_metadata(response.headers_mut(), initial);
    }
    response
}

fn error_response(status: &Status, http: StatusCode, shared: &Shared) -> Response<Body> {
    let mut json = Vec::with_capacity(64 + status.message().len());
    status_json(status, shared.table.pool(), shared.options.write, &mut json);
    let mut response = Response::new(Body::empty());
    *response.status_mut() = http;
    put_body(&mut response, Written { content_type: JSON, data: json.into() });
    add_metadata(response.headers_mut(), status.metadata());
    let headers = response.headers_mut();
    if http == StatusCode::UNAUTHORIZED && !headers.contains_key(header::WWW_AUTHENTICATE) {
        // RFC 9110 15.5.2 wants one; a servicer that has another scheme sends it as metadata.
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    if let Some(seconds) = details::retry_after(status.details())
        && !headers.contains_key(header::RETRY_AFTER)
    {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// Appends the JSON of a google.rpc.Status.
pub(crate) fn status_json(status: &Status, pool: &Pool, options: WriteOptions, out: &mut Vec<u8>) {
    status_details_to_json(pool, status.code() as i32, status.message(), status.details(), &options, out);
}

/// The status that metadata ask for, if it is one of a final response.
pub(crate) fn chosen_status(metadata: &HeaderMap) -> Option<StatusCode> {
    let status = metadata.get(&X_HTTP_CODE)?.to_str().ok()?.parse::<StatusCode>().ok()?;
    (200..600).contains(&status.as_u16()).then_some(status)
}

/// The answer to HEAD: the head of what GET would get, with the length that a server would have told of the body.
pub(crate) fn without_body(response: Response<Body>) -> Response<Body> {
    let (mut head, body) = response.into_parts();
    if let Some(length) = body.size_hint().exact().filter(|length| *length > 0) {
        head.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    Response::from_parts(head, Body::empty())
}

/// Whether answers of this status have no content, whatever the message says (RFC 9110 15.3.5, 15.3.6, 15.4.5).
pub(crate) const fn is_without_content(status: StatusCode) -> bool {
    matches!(status, StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::NOT_MODIFIED)
}

/// Gives a response its body. How long that is the server says, which asks the body.
fn put_body(response: &mut Response<Body>, written: Written) {
    if is_without_content(response.status()) {
        response.headers_mut().remove(header::CONTENT_TYPE);
        return;
    }
    response.headers_mut().insert(header::CONTENT_TYPE, written.content_type);
    *response.body_mut() = Body::full(written.data);
}

/// Whether headers that the servicer chose leave it open how the body is encoded.
fn may_be_compressed(headers: &HeaderMap) -> bool {
    let is_no_transform = |directive: &[u8]| directive.trim_ascii().eq_ignore_ascii_case(b"no-transform");
    let directives = headers.get_all(header::CACHE_CONTROL).iter();
    let mut directives = directives.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    // A range counts the bytes of what has one encoding already (RFC 9110 14.4).
    !headers.contains_key(header::CONTENT_ENCODING)
        && !headers.contains_key(header::CONTENT_RANGE)
        && !directives.any(is_no_transform)
}

/// Makes a tag weak: it stands for the same content in several encodings (RFC 9110 8.8.3.3).
fn weaken(headers: &mut HeaderMap) {
    let Some(tag) = headers.get(header::ETAG).filter(|tag| tag.as_bytes().starts_with(b"\"")) else { return };
    if let Ok(weak) = HeaderValue::from_bytes(&[b"W/", tag.as_bytes()].concat()) {
        headers.insert(header::ETAG, weak);
    }
}

fn put_compressed(response: &mut Response<Body>, mut written: Written, accepted: Accepted) {
    let encoding = accepted.best_of(&ENCODINGS);
    if encoding != Encoding::Identity {
        let mut compressed = Vec::with_capacity(written.data.len() / 2);
        encoding.compress(&written.data, &mut compressed);
        written.data = compressed.into();
    }
    put_body(response, written);
    let headers = response.headers_mut();
    headers.append(header::VARY, HeaderValue::from_static("accept-encoding"));
    if encoding != Encoding::Identity {
        headers.insert(header::CONTENT_ENCODING, encoding.to_header());
        weaken(headers);
    }
}

struct Answer {
    message: Bytes,
    /// Trailing metadata.
    metadata: HeaderMap,
}

/// Reads a unary response to its end. An error status wins over a message that came before it.
async fn read(head: &response::Parts, body: Body, limit: usize) -> Result<Answer, Status> {
    let collected =
        body.collect(limit.saturating_add(envelope::PREFIX)).await.map_err(|error| match error {
            CollectError::TooLarge { limit } => {
                Status::new(Code::Internal, format!("the response is larger than {limit} bytes"))
            }
            CollectError::Body(error) => Status::from_body_error(error),
        })?;
    let metadata = match &collected.trailers {
        Some(trailers) if trailers.is_plain_ok() => HeaderMap::new(),
        trailers => trailing_metadata(trailers.as_deref(), &head.headers)?,
    };
    let mut decoder = Decoder::new(Encoding::from_headers(&head.headers)?, limit);
    decoder.push(collected.data);
    let message = decoder.next()?;
    decoder.finish()?;
    match (message, decoder.next()?) {
        (Some(message), None) => Ok(Answer { message, metadata }),
        _ => Err(Status::new(Code::Internal, "the gRPC service did not answer with exactly one message")),
    }
}

/// The trailing metadata of a call that has succeeded; in a trailers-only response all metadata are in the head.
fn trailing_metadata(trailers: Option<&HeaderMap>, head: &HeaderMap) -> Result<HeaderMap, Status> {
    let in_trailers = trailers.and_then(Status::from_trailers);
    let in_head = in_trailers.is_none();
    let mut status = in_trailers.or_else(|| Status::from_trailers(head)).ok_or_else(|| {
        Status::new(Code::Unknown, "the gRPC service ended its response without a grpc-status")
    })?;
    if status.code() != Code::Ok {
        return Err(status);
    }
    Ok(if in_head { HeaderMap::new() } else { std::mem::take(status.metadata_mut()) })
}

/// A body with its type.
pub(crate) struct Written {
    pub(crate) content_type: HeaderValue,
    pub(crate) data: Bytes,
}

impl Written {
    /// Whether it is long enough, and text: what is not (images, archives) mostly is compressed already.
    fn is_worth_compressing(&self) -> bool {
        let essence = narthex_wire::protocol::essence(self.content_type.as_bytes());
        let is_text =
            essence.starts_with(b"text/") || essence.ends_with(b"json") || essence.ends_with(b"xml");
        is_text && self.data.len() >= COMPRESSED_FROM
    }
}

/// The response message as the body of its binding.
pub(crate) fn write(message: &Bytes, kind: &ResponseBody, options: WriteOptions) -> Result<Written, Status> {
    match kind {
        ResponseBody::Raw => raw(HttpBody::read(message)),
        ResponseBody::RawField(field) => raw(HttpBody::read_field(message, field.number())),
        ResponseBody::Whole(_) | ResponseBody::Field(_) => {
            let mut json = Vec::new();
            write_json(message, kind, options, &mut json)?;
            Ok(Written { content_type: JSON, data: json.into() })
        }
    }
}

/// Appends the JSON of the response message, or of the field that is the body.
pub(crate) fn write_json(
    message: &[u8],
    kind: &ResponseBody,
    options: WriteOptions,
    out: &mut Vec<u8>,
) -> Result<(), Status> {
    match kind {
        ResponseBody::Field(field) | ResponseBody::RawField(field) => {
            wire_to_field_json(field, message, &options, out)
        }
        ResponseBody::Whole(kind) => wire_to_json(kind, message, &options, out),
        ResponseBody::Raw => Ok(()),
    }
    .map_err(|error| {
        tracing::error!(%error, "a response cannot be written as JSON");
        Status::new(Code::Internal, format!("the response cannot be written as JSON: {error}"))
    })
}

fn raw(body: Option<HttpBody>) -> Result<Written, Status> {
    let body = body.ok_or_else(|| Status::new(Code::Internal, "the response is no google.api.HttpBody"))?;
    let content_type =
        HeaderValue::from_maybe_shared(body.content_type).ok().filter(|value| !value.is_empty());
    Ok(Written { content_type: content_type.unwrap_or(OCTETS), data: body.data })
}

/// Whether metadata of this name become no header: gRPC's own, those that belong to the HTTP message, and the status that
/// they choose.
fn is_hidden(name: &HeaderName) -> bool {
    name.as_str().starts_with("grpc-")
        || narthex_wire::metadata::is_reserved(name.as_str())
        || *name == X_HTTP_CODE
}

/// Adds metadata as headers.
pub(crate) fn add_metadata(headers: &mut HeaderMap, metadata: &HeaderMap) {
    for (name, value) in metadata.iter().filter(|(name, _)| !is_hidden(name)) {
        headers.append(name.clone(), value.clone());
    }
}

/// Makes the head of a gRPC response the metadata that become headers. Its content type stays until the body's takes its
/// place: nearly always it is all there is.
fn keep_metadata(head: &mut HeaderMap) {
    let hidden = |name: &&HeaderName| **name != header::CONTENT_TYPE && is_hidden(name);
    let hidden: Vec<HeaderName> = head.keys().filter(hidden).cloned().collect();
    for name in hidden {
        head.remove(name);
    }
}
