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
//!   call/request        Python's side starts: deserialize, make the context, call
//!   call/response       ... and ends: serialize, or make a status of what went wrong
//!   call/mod            the state both sides share
//! ```
//!
//! Not here: HTTP itself, health and reflection, deadlines (a layer drops the future), JSON.

mod call;
mod context;
mod error;
mod hooks;
mod metadata;
mod method;
mod peer;
mod registry;
mod service;

pub use self::hooks::Hooks;
pub use self::registry::Registry;
pub use self::service::{Options, ResponseFuture, Servicer};
