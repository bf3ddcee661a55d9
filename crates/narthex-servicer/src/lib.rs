//! Python gRPC servicers as a Tower service.
//!
//! [`Servicer`] answers gRPC requests by calling the handlers that generated code registers: coroutine functions on the event
//! loop, synchronous ones on lanes. A message is bytes here; only a handler's own `request_deserializer` and
//! `response_serializer` know protobuf. What a handler sees of the call is its context, which behaves as grpc.aio's, and for
//! synchronous handlers as grpc's.
//!
//! ```text
//! service   the request arrives; its ResponseFuture reads the message and waits for the answer
//!   registry, method    whose path it is, and what Python registered for it
//!   interception        what Python wants to run before, in call/resolve
//!   call/start          Python's side starts: deserialize, make the context, call
//!   call/reply          ... and ends: serialize, or make a status of what went wrong
//!   call/mod            the state both sides share
//! ```
//!
//! A call has two halves, and each is one message or a stream of them:
//!
//! ```text
//!            one                             stream
//! request    service reads it                call/requests, read when context/streams asks
//! response   call/reply has it               call/outgoing, sent as call/streamed while the handler writes
//! ```
//!
//! Not here: HTTP itself, health and reflection, deadlines (a layer drops the future), JSON.

mod call;
mod context;
mod dialect;
mod error;
mod glue;
mod hooks;
mod interception;
mod metadata;
mod method;
mod peer;
mod registry;
mod service;

pub use self::context::compression_of;
pub use self::dialect::Dialect;
pub use self::hooks::Hooks;
pub use self::registry::Registry;
pub use self::service::{Options, ResponseFuture, Servicer};
