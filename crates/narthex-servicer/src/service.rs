//! The Tower service: requests in, responses out.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::{Method, Request, Response};
use narthex_pyrt::Runtime;
use narthex_wire::{Body, ReadUnary, Status};
use tower_service::Service;

use crate::call::{Call, Resolve, start};
use crate::hooks::Hooks;
use crate::registry::Registry;

/// What can be chosen about a [`Servicer`].
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The largest message that is received, in bytes, decompressed.
    pub max_message: usize,
}

impl Default for Options {
    /// grpc's own limit, 4 MiB.
    fn default() -> Self {
        Self { max_message: 4 << 20 }
    }
}

/// What all calls share.
pub(crate) struct Host {
    pub(crate) runtime: Arc<Runtime>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) hooks: Hooks,
    options: Options,
}

/// Calls the registered handlers. Whatever comes in is taken for gRPC.
#[derive(Clone)]
pub struct Servicer {
    host: Arc<Host>,
}

impl Servicer {
    /// The service of all methods in `registry`, on the event loop and the lanes of `runtime`.
    pub fn new(runtime: Arc<Runtime>, registry: Arc<Registry>, options: Options, hooks: Hooks) -> Self {
        Self { host: Arc::new(Host { runtime, registry, hooks, options }) }
    }

    /// The first stage of a request.
    fn accept(&self, request: Request<Body>) -> Result<Stage, Status> {
        let (head, body) = request.into_parts();
        if head.method != Method::POST {
            return Err(Status::unknown(format!("gRPC calls are POST requests, not {}", head.method)));
        }
        let host = &self.host;
        match host.registry.get(head.uri.path()) {
            Some(method) => Stage::read(Call::new(host, head, Some(method)), body),
            None if host.registry.has_generic() => {
                let call = Call::new(host, head, None);
                host.runtime.push(Resolve::new(&call));
                Ok(Stage::Resolving { call, body })
            }
            None => Err(Status::unimplemented("Method not found!")),
        }
    }
}

impl fmt::Debug for Servicer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Servicer")
            .field("registry", &self.host.registry)
            .field("options", &self.host.options)
            .finish_non_exhaustive()
    }
}

impl Service<Request<Body>> for Servicer {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> ResponseFuture {
        ResponseFuture { stage: self.accept(request).unwrap_or_else(Stage::Refused) }
    }
}

/// Resolves when the handler has ended or sent its initial metadata, or something answers in its stead.
///
/// # Cancel safety
///
/// Dropping it means that nobody waits for the answer: a coroutine is cancelled, a synchronous handler's context says so and
/// its callbacks run.
pub struct ResponseFuture {
    stage: Stage,
}

enum Stage {
    Refused(Status),
    /// The generic handlers are being asked.
    Resolving {
        call: Arc<Call>,
        body: Body,
    },
    Reading {
        call: Arc<Call>,
        read: ReadUnary,
    },
    /// The handler is on its way.
    Running {
        call: Arc<Call>,
    },
    Over,
}

impl Stage {
    /// The method is known: reads its message, which is one.
    fn read(call: Arc<Call>, body: Body) -> Result<Self, Status> {
        if call.method().is_some_and(|method| !method.cardinality.is_unary()) {
            return Err(Status::unimplemented(format!(
                "streaming methods are not served yet: {}",
                call.path()
            )));
        }
        let read = ReadUnary::new(body, &call.head.headers, call.host.options.max_message)?;
        Ok(Self::Reading { call, read })
    }

    /// Goes as far as it can without waiting.
    fn advance(&mut self, cx: &mut Context<'_>) -> Poll<Result<Response<Body>, Status>> {
        loop {
            *self = match self {
                Self::Refused(_) | Self::Over => return self.refuse(),
                Self::Resolving { call, body } => {
                    if call.method().is_none() {
                        // Woken with an answer, or because the method is known.
                        if let Poll::Ready(reply) = call.poll_reply(cx) {
                            return Poll::Ready(Ok(reply.into_response()));
                        }
                        if call.method().is_none() {
                            return Poll::Pending;
                        }
                    }
                    Self::read(Arc::clone(call), std::mem::take(body))?
                }
                Self::Reading { call, read } => {
                    let message = ready!(Pin::new(read).poll(cx))?;
                    let Some(method) = call.method() else { return self.refuse() };
                    start(call, method, message)?;
                    Self::Running { call: Arc::clone(call) }
                }
                Self::Running { call } => {
                    return Poll::Ready(Ok(ready!(call.poll_response(cx))));
                }
            };
        }
    }

    fn refuse(&mut self) -> Poll<Result<Response<Body>, Status>> {
        match std::mem::replace(self, Self::Over) {
            Self::Refused(status) => Poll::Ready(Err(status)),
            _ => Poll::Pending,
        }
    }
}

impl Future for ResponseFuture {
    type Output = Result<Response<Body>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let response = ready!(self.stage.advance(cx));
        self.stage = Stage::Over;
        Poll::Ready(Ok(response.unwrap_or_else(Status::into_response)))
    }
}

impl Drop for ResponseFuture {
    fn drop(&mut self) {
        match &self.stage {
            Stage::Resolving { call, .. } | Stage::Running { call } => call.abandon(),
            Stage::Refused(_) | Stage::Reading { .. } | Stage::Over => {}
        }
    }
}

impl fmt::Debug for ResponseFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stage = match self.stage {
            Stage::Refused(_) => "refused",
            Stage::Resolving { .. } => "resolving",
            Stage::Reading { .. } => "reading",
            Stage::Running { .. } => "running",
            Stage::Over => "over",
        };
        f.debug_struct("ResponseFuture").field("stage", &stage).finish()
    }
}
