//! The document, and what shows it, at paths of their own, which belong to nobody else.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use narthex_wire::{Answered, Body};
use rustc_hash::FxHashMap;
use tower_layer::Layer;
use tower_service::Service;

use crate::resource::Resource;

/// Makes [`OpenApi`] services; cheap to clone.
#[derive(Debug, Clone)]
pub struct OpenApiLayer {
    resources: Arc<FxHashMap<String, Arc<Resource>>>,
}

impl OpenApiLayer {
    /// Serves each resource at its path.
    pub fn new(resources: impl IntoIterator<Item = (String, Arc<Resource>)>) -> Self {
        Self { resources: Arc::new(resources.into_iter().collect()) }
    }

    /// Whether requests to this path end here.
    pub fn owns(&self, path: &str) -> bool {
        self.resources.contains_key(path)
    }
}

impl<S> Layer<S> for OpenApiLayer {
    type Service = OpenApi<S>;

    fn layer(&self, inner: S) -> OpenApi<S> {
        OpenApi { inner, layer: self.clone() }
    }
}

/// Answers at the paths of its resources; all else passes.
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
        match self.layer.resources.get(request.uri().path()) {
            Some(resource) => Answered::now(Box::new(resource.answer(request.method(), request.headers()))),
            None => Answered::inner(self.inner.call(request)),
        }
    }
}
