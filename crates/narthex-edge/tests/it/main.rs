//! The edge as its clients see it: bytes over real sockets, with a thread that drives the reactor.

#![expect(clippy::unwrap_used, reason = "what fails in a helper fails the test")]

mod abuse;
mod age;
mod bind;
mod drain;
mod exhaustion;
mod harness;
mod http1;
mod http2;
mod malformed;
mod origin;
mod rubbish;
mod timeouts;
mod tls;
mod uploads;
