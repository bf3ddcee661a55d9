//! A gRPC server elsewhere as a Tower service.
//!
//! [`Upstream`] forwards calls, in gRPC's normal form, over HTTP/2 to the server at one [`Address`]; [`UpstreamsLayer`] chooses by
//! the service that a call is for. Both are made of the same `Request<Body>` and `Response<Body>` as everything else, so that
//! all translations work in front of them. A call fails as gRPC calls do, with a status that names the upstream.
//!
//! It is *not* a balancer: an upstream is one address. And it is no HTTP proxy: what is not gRPC never comes here.

#![forbid(unsafe_code)]

mod address;
mod answer;
mod backoff;
mod call;
mod connection;
mod dial;
mod failure;
mod head;
mod layer;
mod options;
mod pool;
mod resolve;
mod service;
mod trust;
mod upload;

pub use address::{Address, AddressError};
pub use layer::{Directory, UpstreamsLayer};
pub use options::Options;
pub use pool::Change;
pub use service::{ResponseFuture, Upstream, Upstreams};
pub use trust::{Trust, TrustError};
