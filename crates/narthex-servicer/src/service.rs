//! The Tower service: requests in, responses out.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use http::{Method, Request, Response};
use narthex_pyrt::Runtime;
use narthex_wire::encoding::Enabled;
use narthex_wire::{Body, Encoding, ReadUnary, Status};
use tower_service::Service;

use crate::call::{Call, Input, resolve, start};
use crate::dialect::Dialect;
use crate::hooks::Hooks;
use crate::method::Method as RegisteredMethod;
use crate::registry::{Found, Registry};

/// What can be chosen about a [`Servicer`].
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The largest message that is received, in bytes, decompressed.
    pub max_message: usize,
    /// The largest message that is sent, in bytes, before it is compressed.
    pub max_send_message: Option<usize>,
    /// More calls at once are `RESOURCE_EXHAUSTED`.
    pub maximum_concurrent_rpcs: Option<usize>,
    /// What requests and responses may be compressed with.
    pub enabled: Enabled,
    /// What responses are compressed with where the handler does not say otherwise and the client can read it.
    pub compression: Encoding,
    /// In whose words errors are told.
    pub dialect: Dialect,
}

impl Default for Options {
    /// grpc's own limit, 4 MiB for what is received; all else is unlimited, and nothing compressed.
    fn default() -> Self {
        Self {
            max_message: 4 << 20,
            max_send_message: None,
            maximum_concurrent_rpcs: None,
            enabled: Enabled::ALL,
            compression: Encoding::Identity,
            dialect: Dialect::Aio,
        }
    }
}

/// What all calls share.
pub(crate) struct Host {
    pub(crate) runtime: Arc<Runtime>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) hooks: Hooks,
    pub(crate) options: Options,
    /// How many calls there are, where that is limited.
    calls: AtomicUsize,
}

/// One of the calls that there may be at once.
pub(crate) struct Slot(Arc<Host>);

impl Slot {
    /// None where calls are not limited.
    fn take(host: &Arc<Host>) -> Result<Option<Self>, Status> {
        let Some(most) = host.options.maximum_concurrent_rpcs else { return Ok(None) };
        let slot = Self(Arc::clone(host));
        if host.calls.fetch_add(1, Ordering::AcqRel) >= most {
            return Err(Status::resource_exhausted("Concurrent RPC limit exceeded!"));
        }
        Ok(Some(slot))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.calls.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Calls the registered handlers. Whatever comes in is taken for gRPC.
#[derive(Clone)]
pub struct Servicer {
    host: Arc<Host>,
}

impl Servicer {
    /// The service of all methods in `registry`, on the event loop and the lanes of `runtime`.
    pub fn new(runtime: Arc<Runtime>, registry: Arc<Registry>, options: Options, hooks: Hooks) -> Self {
        Self { host: Arc::new(Host { runtime, registry, hooks, options, calls: AtomicUsize::new(0) }) }
    }

    /// What was chosen.
    pub fn options(&self) -> &Options {
        &self.host.options
    }

    /// The first stage of a request.
    fn accept(&self, request: Request<Body>) -> Result<Stage, Status> {
        let (head, body) = request.into_parts();
        if head.method != Method::POST {
            return Err(Status::unknown(format!("gRPC calls are POST requests, not {}", head.method)));
        }
        let host = &self.host;
        let slot = Slot::take(host)?;
        match host.registry.find(head.uri.path()) {
            Found::Method(method) => {
                let method = Arc::clone(method);
                Stage::read(Call::new(host, head, Some(&method), slot), &method, body)
            }
            Found::ByPython => {
                let call = Call::new(host, head, None, slot);
                resolve(&call)?;
                Ok(Stage::Resolving { call, body })
            }
            Found::Nothing => Err(Status::unimplemented("Method not found!")),
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
    /// Python looks for the method.
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
    /// The method is known: reads its message, or starts it where they stream.
    fn read(call: Arc<Call>, method: &Arc<RegisteredMethod>, body: Body) -> Result<Self, Status> {
        if method.cardinality.request_streaming {
            call.stream_requests(body)?;
            start(&call, method, Input::Stream)?;
            return Ok(Self::Running { call });
        }
        let options = &call.host.options;
        let encoding = options.enabled.declared(&call.head.headers)?;
        let read = ReadUnary::new(body, encoding, options.max_message);
        Ok(Self::Reading { call, read })
    }

    /// Goes as far as it can without waiting.
    fn advance(&mut self, cx: &mut Context<'_>) -> Poll<Result<Response<Body>, Status>> {
        loop {
            *self = match self {
                Self::Refused(_) | Self::Over => return self.refuse(),
                Self::Resolving { call, body } => {
                    // Woken with an answer, or because the method is known.
                    if let Poll::Ready(reply) = call.poll_reply(cx) {
                        return Poll::Ready(Ok(reply.into_response()));
                    }
                    let Some(method) = call.method().map(Arc::clone) else { return Poll::Pending };
                    Self::read(Arc::clone(call), &method, std::mem::take(body))?
                }
                Self::Reading { call, read } => {
                    let message = ready!(Pin::new(read).poll(cx))?;
                    let Some(method) = call.method() else { return self.refuse() };
                    start(call, method, Input::Message(message))?;
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
