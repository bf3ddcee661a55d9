//! The document at a path of its own, which belongs to nobody else.

use std::collections::hash_map::DefaultHasher;
use std::convert::Infallible;
use std::hash::{Hash as _, Hasher as _};
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use narthex_wire::{Answered, Body};
use tower_layer::Layer;
use tower_service::Service;

/// Makes [`OpenApi`] services; cheap to clone.
#[derive(Debug, Clone)]
pub struct OpenApiLayer {
    served: Arc<Served>,
}

#[derive(Debug)]
struct Served {
    path: String,
    document: Bytes,
    etag: HeaderValue,
}

impl OpenApiLayer {
    /// Serves this document at this path.
    pub fn new(path: String, document: String) -> Self {
        // Of equal documents alike, also after a restart and in another process: the hasher's keys are fixed.
        let mut hasher = DefaultHasher::new();
        document.hash(&mut hasher);
        let etag = format!("\"{:016x}\"", hasher.finish());
        let etag = HeaderValue::try_from(etag).expect("hexadecimal digits in quotes are a header value");
        Self { served: Arc::new(Served { path, document: document.into(), etag }) }
    }

    /// Whether requests to this path end here.
    pub fn owns(&self, path: &str) -> bool {
        self.served.path == path
    }
}

impl<S> Layer<S> for OpenApiLayer {
    type Service = OpenApi<S>;

    fn layer(&self, inner: S) -> OpenApi<S> {
        OpenApi { inner, layer: self.clone() }
    }
}

/// Answers with the document at its path; all else passes.
#[derive(Debug, Clone)]
pub struct OpenApi<S> {
    inner: S,
    layer: OpenApiLayer,
}

impl<S> Service<Request<Body>> for OpenApi<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answered<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        if !self.layer.owns(request.uri().path()) {
            return Answered::inner(self.inner.call(request));
        }
        Answered::now(Box::new(self.layer.served.answer(request.method(), request.headers())))
    }
}

impl Served {
    fn answer(&self, method: &Method, headers: &HeaderMap) -> Response<Body> {
        let mut response = Response::new(Body::default());
        if method != Method::GET && method != Method::HEAD {
            *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        let fields = response.headers_mut();
        fields.insert(header::ETAG, self.etag.clone());
        // It may be another one after the next start: it is asked for again, which costs a 304.
        fields.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        if self.is_known(headers) {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            return response;
        }
        fields.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        fields.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if method == Method::HEAD {
            fields.insert(header::CONTENT_LENGTH, self.document.len().into());
        } else {
            *response.body_mut() = Body::full(self.document.clone());
        }
        response
    }

    /// RFC 9110 13.1.2: a list of tags, weak ones compared as the others, or `*`.
    fn is_known(&self, headers: &HeaderMap) -> bool {
        let lists = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
        let mut tags = lists.flat_map(|list| list.split(',')).map(str::trim);
        tags.any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag).as_bytes() == self.etag.as_bytes())
    }
}
