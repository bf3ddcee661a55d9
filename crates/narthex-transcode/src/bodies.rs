//! In front of services that have bodies of their own: tonic's, axum's.
//!
//! [`Transcode`] speaks of one type of body alone, that of narthex-wire. Here the client's body becomes that one, and for the
//! service behind it becomes the service's. Neither costs a copy: a body is wrapped, and its data are handed on as they come.

use std::convert::Infallible;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::TryFutureExt as _;
use futures_util::future::MapOk;
use http::{Request, Response};
use http_body::Body as HttpBody;
use narthex_wire::{Body, BoxError};
use tower_layer::Layer;
use tower_service::Service;

use crate::layer::TranscodeLayer;
use crate::service::Transcode;

impl TranscodeLayer {
    /// The same layer for a service whose requests have another body, which `make` makes.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use narthex_transcode::{Options, RouteTable, TranscodeLayer};
    /// # use http_body_util::BodyExt as _;
    /// # use tower_layer::Layer as _;
    /// # #[derive(Clone)] struct Theirs;
    /// # fn layer(routes: Arc<RouteTable>) {
    /// // For tonic it is .with_bodies(tonic::body::Body::new).
    /// let layer = TranscodeLayer::new(routes, Options::default()).with_bodies(|body| body.boxed_unsync());
    /// # drop(layer.layer(Theirs));
    /// # }
    /// ```
    pub const fn with_bodies<F, B>(self, make: F) -> WithBodies<F>
    where
        F: Fn(Body) -> B,
    {
        WithBodies { transcode: self, make }
    }
}

/// See [`TranscodeLayer::with_bodies`].
#[derive(Debug, Clone)]
pub struct WithBodies<F> {
    transcode: TranscodeLayer,
    make: F,
}

impl<S, F: Clone> Layer<S> for WithBodies<F> {
    type Service = Outer<Transcode<Inner<S, F>>>;

    fn layer(&self, inner: S) -> Self::Service {
        Outer { inner: self.transcode.layer(Inner { inner, make: self.make.clone() }) }
    }
}

/// Takes requests with any body.
#[derive(Debug, Clone)]
pub struct Outer<S> {
    inner: S,
}

impl<S, B> Service<Request<B>> for Outer<S>
where
    S: Service<Request<Body>, Error = Infallible>,
    B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    type Response = S::Response;
    type Error = Infallible;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> S::Future {
        self.inner.call(request.map(Body::new))
    }
}

/// Calls a service that has bodies of its own.
#[derive(Debug, Clone)]
pub struct Inner<S, F> {
    inner: S,
    make: F,
}

impl<S, F, B, R> Service<Request<Body>> for Inner<S, F>
where
    S: Service<Request<B>, Response = Response<R>, Error = Infallible>,
    F: Fn(Body) -> B,
    R: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = MapOk<S::Future, fn(Response<R>) -> Response<Body>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        self.inner.call(request.map(&self.make)).map_ok(|response| response.map(Body::new))
    }
}
