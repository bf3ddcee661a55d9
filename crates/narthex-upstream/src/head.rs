//! The heads of a call: what of the request's goes on to the upstream, and what of the answer's comes back.

use std::time::Instant;

use http::header::{CONTENT_LENGTH, HOST, TE};
use http::uri::{Authority, PathAndQuery};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version, request};
use narthex_wire::names::GRPC_TIMEOUT;
use narthex_wire::{Client, Origin, Status, metadata, timeout};

use crate::address::Address;

static FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
static FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
static FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// The head as the upstream gets it.
///
/// # Errors
///
/// `INTERNAL` for a path that cannot be in a URI, which none is that came as one.
pub(crate) fn outgoing(
    head: &request::Parts,
    address: &Address,
    keep_authority: bool,
) -> Result<Request<()>, Status> {
    let origin: Option<&Origin> = head.extensions.get();
    let asked = authority_asked(head, origin);
    let authority = asked.clone().filter(|_| keep_authority).unwrap_or_else(|| address.authority().clone());
    let path = head.uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
    let uri = Uri::builder().scheme(address.scheme()).authority(authority).path_and_query(path);
    let mut request = Request::new(());
    *request.uri_mut() = uri.build().map_err(|error| Status::internal(error.to_string()))?;
    *request.method_mut() = Method::POST;
    *request.version_mut() = Version::HTTP_2;
    let mut headers = head.headers.clone();
    metadata::drop_hop_by_hop(&mut headers);
    headers.remove(HOST);
    // h2 counts for itself, and a translation may have changed it.
    headers.remove(CONTENT_LENGTH);
    headers.insert(TE, HeaderValue::from_static("trailers"));
    if let Some(origin) = origin {
        pass_on_deadline(&mut headers, origin.arrival);
        introduce(&mut headers, origin, asked.as_ref());
    }
    *request.headers_mut() = headers;
    Ok(request)
}

/// The head of the answer, without what was for that hop alone.
pub(crate) fn incoming(headers: &mut HeaderMap) {
    metadata::drop_hop_by_hop(headers);
    headers.remove(CONTENT_LENGTH);
}

/// The authority that the client asked for.
fn authority_asked(head: &request::Parts, origin: Option<&Origin>) -> Option<Authority> {
    let read = |host: &HeaderValue| Authority::try_from(host.as_bytes()).ok();
    let forwarded = origin.and_then(|origin| origin.host.as_ref()).and_then(read);
    forwarded.or_else(|| head.uri.authority().cloned()).or_else(|| head.headers.get(HOST).and_then(read))
}

/// What is left of the time that the client gave.
fn pass_on_deadline(headers: &mut HeaderMap, arrival: Instant) {
    if let Some(given) = timeout::parse(headers) {
        headers.insert(&GRPC_TIMEOUT, timeout::format(given.saturating_sub(arrival.elapsed())));
    }
}

/// Tells the upstream who the client is, as proxies do: the peer's address is appended to those that others have seen; scheme
/// and host are those that are believed here.
fn introduce(headers: &mut HeaderMap, origin: &Origin, asked: Option<&Authority>) {
    if let Some(ip) = origin.connection.peer.ip() {
        append(headers, &ip.to_canonical().to_string());
    } else if let (Client::Forwarded(ip), false) = (&origin.client, headers.contains_key(&FORWARDED_FOR)) {
        append(headers, &ip.to_string());
    }
    headers.insert(&FORWARDED_PROTO, HeaderValue::from_static(origin.scheme.as_str()));
    if let Some(host) = asked.and_then(|asked| HeaderValue::from_str(asked.as_str()).ok()) {
        headers.insert(&FORWARDED_HOST, host);
    }
}

fn append(headers: &mut HeaderMap, ip: &str) {
    let mut list = Vec::new();
    for known in headers.get_all(&FORWARDED_FOR) {
        list.extend_from_slice(known.as_bytes());
        list.extend_from_slice(b", ");
    }
    list.extend_from_slice(ip.as_bytes());
    let list = HeaderValue::try_from(list).expect("values of a header, commas and an address");
    headers.insert(&FORWARDED_FOR, list);
}
