//! Something that is served as it is: bytes that do not change, plain and compressed, and how a request gets them.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash as _, Hasher as _};

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Response, StatusCode};
use narthex_wire::{Accepted, Body, Encoding};

/// Less than a packet is not worth a second copy.
const WORTH_COMPRESSING: usize = 1400;

/// Bytes of a media type that are the same for everybody, to be read by GET and HEAD.
#[derive(Debug)]
pub struct Resource {
    media_type: HeaderValue,
    policy: Option<HeaderValue>,
    plain: Representation,
    compressed: Option<Representation>,
}

/// One form of the bytes; each has a tag of its own (RFC 9110 8.8.3.3).
#[derive(Debug)]
struct Representation {
    content: Bytes,
    etag: HeaderValue,
}

impl Resource {
    /// Compresses the content, which is why a resource is made before anybody waits for it.
    pub fn new(media_type: HeaderValue, content: impl Into<Bytes>) -> Self {
        let content = content.into();
        let compressed = (content.len() >= WORTH_COMPRESSING).then(|| {
            let mut out = Vec::new();
            Encoding::Gzip.compress(&content, &mut out);
            Representation::new(out.into())
        });
        Self { media_type, policy: None, plain: Representation::new(content), compressed }
    }

    /// What a page made of it may do, as a `content-security-policy`.
    #[must_use]
    pub fn with_policy(self, policy: HeaderValue) -> Self {
        Self { policy: Some(policy), ..self }
    }

    pub(crate) fn answer(&self, method: &Method, headers: &HeaderMap) -> Response<Body> {
        let mut response = Response::new(Body::default());
        if method != Method::GET && method != Method::HEAD {
            *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        let (chosen, encoding) = self.choose(headers);
        let fields = response.headers_mut();
        fields.insert(header::ETAG, chosen.etag.clone());
        // It may be another one after the next start: it is asked for again, which costs a 304.
        fields.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        if self.compressed.is_some() {
            fields.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        }
        if chosen.is_known(headers) {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            return response;
        }
        fields.insert(header::CONTENT_TYPE, self.media_type.clone());
        fields.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if let Some(policy) = &self.policy {
            fields.insert(header::CONTENT_SECURITY_POLICY, policy.clone());
        }
        if encoding != Encoding::Identity {
            fields.insert(header::CONTENT_ENCODING, encoding.to_header());
        }
        if method == Method::HEAD {
            fields.insert(header::CONTENT_LENGTH, chosen.content.len().into());
        } else {
            *response.body_mut() = Body::full(chosen.content.clone());
        }
        response
    }

    fn choose(&self, headers: &HeaderMap) -> (&Representation, Encoding) {
        let Some(compressed) = &self.compressed else { return (&self.plain, Encoding::Identity) };
        match Accepted::from_headers(headers, &header::ACCEPT_ENCODING).best_of(&[Encoding::Gzip]) {
            Encoding::Gzip => (compressed, Encoding::Gzip),
            _ => (&self.plain, Encoding::Identity),
        }
    }
}

impl Representation {
    fn new(content: Bytes) -> Self {
        // Of equal bytes alike, also after a restart and in another process: the hasher's keys are fixed.
        let mut hasher = DefaultHasher::new();
        content.hash(&mut hasher);
        let etag = format!("\"{:016x}\"", hasher.finish());
        let etag = HeaderValue::try_from(etag).expect("hexadecimal digits in quotes are a header value");
        Self { content, etag }
    }

    /// RFC 9110 13.1.2: a list of tags, weak ones compared as the others, or `*`.
    fn is_known(&self, headers: &HeaderMap) -> bool {
        let lists = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
        let mut tags = lists.flat_map(|list| list.split(',')).map(str::trim);
        tags.any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag).as_bytes() == self.etag.as_bytes())
    }
}
