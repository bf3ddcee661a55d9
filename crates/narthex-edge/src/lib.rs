//! Listening, HTTP/1 and HTTP/2 connections, and what surrounds every request.
//!
//! [`Bound::bind`] claims addresses, [`Bound::serve`] serves a stack of tower services on them, and [`Serving`] stops it
//! again. HTTP is hyper's; it runs on a [`narthex_reactor::Reactor`], without threads or a runtime of its own. The layers
//! of the stack that belong to no protocol of ours are here too: [`catch`], [`observe`], [`cors`], [`hide`], [`deadline`], and
//! [`dispatch`] at its end.
//!
//! Everything is generic over `Service<Request<Body>, Response = Response<Body>, Error = Infallible>`. It is *not* an
//! application server: it knows nothing of ASGI, Python or protobuf.

#![forbid(unsafe_code)]

mod access_log;
mod body;
pub mod catch;
mod config;
mod conn;
pub mod cors;
mod date;
pub mod deadline;
pub mod dispatch;
mod drain;
mod exchange;
pub mod forwarded;
mod frames;
mod framing;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
pub mod hide;
mod host;
mod io;
mod listener;
pub mod observe;
mod piece;
mod rest;
mod serve;
mod state;
#[cfg(test)]
mod testing;
mod tls;
mod watch;

pub use body::BodyError;
pub use catch::CatchLayer;
pub use config::Config;
pub use cors::{CorsLayer, Origins};
pub use deadline::DeadlineLayer;
pub use dispatch::{Dispatch, Methods, Unknown};
pub use drain::Serving;
pub use forwarded::{TrustError, Trusted};
pub use hide::HideLayer;
pub use listener::{Bind, BindError, BindProblem, Bound, TcpOptions};
pub use observe::ObserveLayer;
pub use tls::{ClientAuth, Identity, Terms, TermsFuture, Tls, TlsError};
