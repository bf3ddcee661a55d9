//! The services: one upstream, and the choice between several and what is hosted here.

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use narthex_reactor::Reactor;
use narthex_wire::{Answered, Body, Status};
use tower_service::Service;

use crate::address::Address;
use crate::call::call;
use crate::dial::Dialer;
use crate::layer::Directory;
use crate::options::Options;
use crate::pool::{Change, Pool};
use crate::resolve::Resolver;
use crate::trust::Trust;

/// A gRPC server elsewhere; clones share its connections. Nothing is connected before the first call.
#[derive(Clone)]
pub struct Upstream {
    pool: Arc<Pool>,
}

impl Upstream {
    /// The server at this address. `trust` matters where it is spoken to by TLS.
    pub fn new(reactor: &Reactor, address: Address, trust: Trust, options: Options) -> Self {
        let resolver = Resolver::new();
        let dialer = Dialer { reactor: reactor.clone(), address, trust, options, resolver };
        Self { pool: Arc::new(Pool::new(dialer)) }
    }

    /// Where it is.
    pub fn address(&self) -> &Address {
        self.pool.address()
    }

    /// Ready when what answers may be another server than before: it was connected to anew, or it is doubted, as it is by an
    /// answer of `UNIMPLEMENTED`.
    pub fn changed(&self) -> impl Future<Output = Change> + use<> {
        self.pool.changed()
    }

    /// Sees to it that there is a connection, so that none has to be made for the next call; gives [`Self::reconnections`].
    ///
    /// # Errors
    ///
    /// What a call ends with that finds no connection.
    pub async fn connected(&self) -> Result<u64, Status> {
        self.pool.slot().await?;
        Ok(self.reconnections())
    }

    /// How often there was a connection where there was none. Calls between two equal numbers were answered by one server, as far
    /// as connections tell.
    pub fn reconnections(&self) -> u64 {
        self.pool.reconnections()
    }

    /// Says that it may have services that nobody has heard of.
    pub fn doubt(&self) {
        self.pool.tell(Change::Doubted);
    }

    /// Forwards a call. What keeps it from being answered by the upstream is the answer's status.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future, or the body of its response, resets the call's stream.
    pub async fn forward(self, request: Request<Body>) -> Response<Body> {
        call(self.pool, request).await
    }
}

impl Service<Request<Body>> for Upstream {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let upstream = self.clone();
        Box::pin(async { Ok(upstream.forward(request).await) })
    }
}

impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Upstream").field(self.address()).finish()
    }
}

/// See [`UpstreamsLayer`](crate::UpstreamsLayer).
#[derive(Clone, Debug)]
pub struct Upstreams<S> {
    pub(crate) inner: S,
    pub(crate) directory: Arc<Directory>,
}

/// The response of [`Upstreams`].
pub type ResponseFuture<F> = Answered<F>;

impl<S> Service<Request<Body>> for Upstreams<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        match self.directory.find(request.uri().path()) {
            Some(upstream) => Answered::layer(upstream.clone().forward(request)),
            None => Answered::inner(self.inner.call(request)),
        }
    }
}
