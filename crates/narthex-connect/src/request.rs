//! A request's head: whose it is, and the head of its gRPC call.

use std::time::Duration;

use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HOST, HeaderName, HeaderValue, TE};
use http::uri::PathAndQuery;
use http::{HeaderMap, Method, Request, Uri, request};
use narthex_wire::encoding::{Accepted, Enabled};
use narthex_wire::metadata::keep_metadata;
use narthex_wire::names::{GRPC_ACCEPT_ENCODING, GRPC_ENCODING, GRPC_TIMEOUT};
use narthex_wire::protocol::{essence, is_grpc_content_type};
use narthex_wire::{Codec, Encoding, Status, timeout};

use crate::methods::{Methods, Shape};
use crate::query;

const VERSION: HeaderName = HeaderName::from_static("connect-protocol-version");
const TIMEOUT: HeaderName = HeaderName::from_static("connect-timeout-ms");
/// `content-encoding` of the messages of a stream.
pub(crate) const STREAM_ENCODING: HeaderName = HeaderName::from_static("connect-content-encoding");
/// `accept-encoding` of the messages of a stream.
pub(crate) const STREAM_ACCEPT_ENCODING: HeaderName = HeaderName::from_static("connect-accept-encoding");

const STREAM: &[u8] = b"application/connect+";
/// A timeout has at most this many digits.
const TIMEOUT_DIGITS: usize = 10;

/// A request that is Connect's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    /// A POST whose body is the message.
    Unary(Codec),
    /// A GET whose query has the message.
    Get,
    /// A POST whose body is envelopes.
    Stream(Codec),
    /// The method is called in another way than this.
    Unsupported(Unsupported),
}

/// What the HTTP status of a request that cannot be a call says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unsupported {
    /// 415: the content type is not one of this kind of method, or nobody's codec.
    MediaType(Shape),
    /// 405: the method has side effects, so it takes a POST.
    Method,
}

impl Call {
    /// What call a request is, if it is Connect's.
    pub(crate) fn of<B>(request: &Request<B>, methods: &Methods) -> Option<Self> {
        let path = || request.uri().path();
        if request.method() == Method::GET {
            return match request
                .uri()
                .query()
                .is_some_and(query::is_connect)
                .then(|| methods.shape(path()))??
            {
                Shape::Unary { safe: true } => Some(Self::Get),
                Shape::Unary { safe: false } | Shape::Stream => Some(Self::Unsupported(Unsupported::Method)),
            };
        }
        if request.method() != Method::POST {
            return None;
        }
        let content_type = essence(request.headers().get(CONTENT_TYPE)?.as_bytes());
        if is_grpc_content_type(content_type) {
            return None;
        }
        let stream = content_type.split_at_checked(STREAM.len());
        let stream = stream.filter(|(start, _)| start.eq_ignore_ascii_case(STREAM)).map(|(_, codec)| codec);
        if stream.is_none() && !request.headers().contains_key(VERSION) {
            return None;
        }
        let shape = methods.shape(path())?;
        let unary = || match content_type.split_at_checked(b"application/".len()) {
            Some((start, codec)) if start.eq_ignore_ascii_case(b"application/") => Codec::from_name(codec),
            _ => None,
        };
        let call = match (shape, stream) {
            (Shape::Stream, Some(codec)) => Codec::from_name(codec).map(Self::Stream),
            (Shape::Unary { .. }, None) => unary().map(Self::Unary),
            (Shape::Stream, None) | (Shape::Unary { .. }, Some(_)) => None,
        };
        Some(call.unwrap_or(Self::Unsupported(Unsupported::MediaType(shape))))
    }
}

/// What a head says beside its metadata.
#[derive(Debug)]
pub(crate) struct Said {
    version: Option<HeaderValue>,
    timeout: Option<HeaderValue>,
    encoding: Option<HeaderValue>,
    accepted: Option<HeaderValue>,
}

impl Said {
    /// Takes it out of the headers, of which metadata are left.
    pub(crate) fn take(headers: &mut HeaderMap, is_stream: bool) -> Self {
        let names = if is_stream {
            [STREAM_ENCODING, STREAM_ACCEPT_ENCODING]
        } else {
            [CONTENT_ENCODING, ACCEPT_ENCODING]
        };
        // HTTP's list may have weights, gRPC's has none.
        let accepted = headers.get(&names[1]).map(|value| {
            if !value.as_bytes().contains(&b';') && headers.get_all(&names[1]).iter().nth(1).is_none() {
                return value.clone();
            }
            let accepted = Accepted::from_headers(headers, &names[1]);
            let ours = Encoding::ALL.into_iter().filter(|encoding| accepted.contains(*encoding));
            HeaderValue::try_from(ours.map(Encoding::name).collect::<Vec<_>>().join(","))
                .expect("the names of encodings are visible ASCII")
        });
        let said = Self {
            version: headers.remove(VERSION),
            timeout: headers.remove(TIMEOUT),
            encoding: headers.remove(&names[0]),
            accepted,
        };
        headers.remove(STREAM_ACCEPT_ENCODING);
        headers.remove(&GRPC_TIMEOUT);
        // Whom the client asked for, in HTTP/1.1; no metadata of gRPC either.
        let host = headers.remove(HOST);
        keep_metadata(headers);
        headers.extend(host.map(|host| (HOST, host)));
        said
    }

    /// The encoding of the message of a unary call.
    pub(crate) fn encoding(&self) -> Result<Encoding, Status> {
        match &self.encoding {
            None => Ok(Encoding::Identity),
            Some(value) => Enabled::ALL.named(value.as_bytes()),
        }
    }

    /// Writes it as gRPC does. The encoding of a unary call is for the caller to write: it may be an empty message's.
    pub(crate) fn write(
        self,
        head: &mut request::Parts,
        codec: Codec,
        is_stream: bool,
    ) -> Result<(), Status> {
        if let Some(version) = self.version
            && version != "1"
        {
            return Err(Status::invalid_argument(format!(
                "connect-protocol-version {version:?} is not supported; this server speaks version 1"
            )));
        }
        let headers = &mut head.headers;
        if let Some(value) = self.timeout {
            headers.insert(&GRPC_TIMEOUT, milliseconds(&value)?);
        }
        if let Some(accepted) = self.accepted {
            headers.insert(&GRPC_ACCEPT_ENCODING, accepted);
        }
        if let Some(encoding) = self.encoding.filter(|_| is_stream) {
            headers.insert(&GRPC_ENCODING, encoding);
        }
        headers.insert(CONTENT_TYPE, codec.grpc());
        headers.insert(TE, HeaderValue::from_static("trailers"));
        head.method = Method::POST;
        without_query(&mut head.uri);
        Ok(())
    }
}

/// `connect-timeout-ms` as `grpc-timeout`.
fn milliseconds(value: &HeaderValue) -> Result<HeaderValue, Status> {
    let digits = Some(value.as_bytes()).filter(|digits| (1..=TIMEOUT_DIGITS).contains(&digits.len()));
    let number = digits.filter(|digits| digits.iter().all(u8::is_ascii_digit));
    let number = number.and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
    let number = number.ok_or_else(|| {
        Status::invalid_argument(format!(
            "connect-timeout-ms is {value:?}; it has to be a number of milliseconds of at most {TIMEOUT_DIGITS} digits"
        ))
    })?;
    Ok(timeout::format(Duration::from_millis(number)))
}

fn without_query(uri: &mut Uri) {
    if uri.query().is_none() {
        return;
    }
    let mut parts = std::mem::take(uri).into_parts();
    let path = parts.path_and_query.as_ref().map_or("/", PathAndQuery::path);
    parts.path_and_query = Some(PathAndQuery::try_from(path).expect("the path of a URI is a path"));
    *uri = Uri::from_parts(parts).expect("a URI without its query is a URI");
}
