//! google.api.http: HTTP and JSON to gRPC and back.
//!
//! A [`RouteTable`] is built at start from the annotations of the services that are hosted, and says everything that is
//! wrong with them at once. [`TranscodeLayer`] puts it in front of any gRPC service: a request that matches a binding
//! becomes a gRPC call and its answer becomes JSON, everything else is passed on as it came.
//!
//! How a request becomes a message: the HTTP body is read as `body` says, then come the query parameters, then the
//! variables of the path. Each is appended as protobuf wire, where the last value of a field wins and lists grow, so no
//! message is ever built in between. With Envoy's habits the body comes last, but for the elements of lists.
//!
//! Streams are JSON arrays, lines, JSON text sequences or server-sent events ([`StreamFormat`]), in requests also the parts of a
//! multipart body; each message goes on as soon as it is whole, and none is read before somebody has room for it.
//!
//! A server of tonic's gets its JSON API by one layer: [`TranscodeLayer::with_bodies`]; `examples/tonic-json` is a whole one.
//! Neither Python nor hyper nor a runtime is needed for it.
//!
//! Not here: CORS, authentication, and gRPC itself.

#![forbid(unsafe_code)]

mod bind;
mod bodies;
mod captured;
mod collision;
mod details;
mod error;
mod escape;
mod field_path;
mod http_body;
mod layer;
mod media;
mod multipart;
mod options;
mod query;
mod request;
mod response;
mod route;
mod rule;
mod schema;
mod service;
mod service_config;
mod stream;
mod template;
mod update_mask;
mod wire;

pub use bodies::{Inner, Outer, WithBodies};
pub use error::{SchemaError, SchemaProblem};
pub use layer::TranscodeLayer;
pub use narthex_protojson::{HttpRule, Pattern, Pool, ReadOptions, WriteOptions};
pub use options::{Options, Unescape, UnknownQuery};
pub use route::{Match, Route, RouteTable};
pub use rule::{BodyField, Capture, RequestBody, ResponseBody};
pub use schema::Rules;
pub use service::{ResponseFuture, Transcode};
pub use service_config::{ServiceConfigError, service_config};
pub use stream::StreamFormat;
pub use template::{Dialect, ParseError, Segment, Template, Variable};
