//! google.api.http: HTTP and JSON to gRPC and back.
//!
//! A [`RouteTable`] is built at start from the annotations of the services that are hosted, and says everything that is
//! wrong with them at once. [`TranscodeLayer`] puts it in front of any gRPC service: a request that matches a binding
//! becomes a unary gRPC call and its answer becomes JSON, everything else is passed on as it came.
//!
//! How a request becomes a message: the HTTP body is read as `body` says, then come the query parameters, then the
//! variables of the path. Each is appended as protobuf wire, where the last value of a field wins and lists grow, so no
//! message is ever built in between.
//!
//! Not here: streaming methods (their routes answer UNIMPLEMENTED), CORS, authentication, and gRPC itself.

#![forbid(unsafe_code)]

mod bind;
mod error;
mod field_path;
mod http_body;
mod layer;
mod options;
mod query;
mod request;
mod response;
mod route;
mod rule;
mod schema;
mod service;
mod template;

pub use error::{SchemaError, SchemaProblem};
pub use layer::TranscodeLayer;
pub use narthex_protojson::{HttpRule, Pattern, Pool, ReadOptions, WriteOptions};
pub use options::{Options, UnknownQuery};
pub use route::{Match, Route, RouteTable};
pub use schema::Rules;
pub use service::{ResponseFuture, Transcode};
pub use template::{ParseError, Segment, Template, Variable};
