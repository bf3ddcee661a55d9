//! An ASGI 3.0 or WSGI application as a Tower service.
//!
//! A request becomes a [`Job`](narthex_pyrt::Job) that calls `app(scope, receive, send)` on the event loop's thread. What the
//! two sides share is one `Exchange`: Python's `receive` reads the request body straight from the
//! connection, `send` leaves the head and pieces of the body there, and the response's body takes them out.
//! [`Lifespan`] runs the application's start and end. A WSGI application is called on a lane instead, with the same exchange.
//!
//! The crate does not accept connections and knows nothing of gRPC; the dispatch in front decides what comes here.

mod app;
mod body;
mod ends;
mod error;
mod exchange;
mod hold;
mod job;
mod lifespan;
mod message;
mod receive;
mod scope;
mod send;
mod service;
#[cfg(test)]
mod tests;
mod wsgi;

pub use self::app::{App, AppOptions, Interface};
pub use self::error::ClientDisconnected;
pub use self::lifespan::Lifespan;
pub use self::service::{AppService, ResponseFuture};
