//! OpenAPI 3.1 of what the transcoder serves: a route table and its descriptors in, a document out.
//!
//! [`document`] describes the routes as the transcoder answers them: ProtoJSON's shapes, streams by media type, and errors that
//! are google.rpc.Status. What descriptors cannot say (title, servers, security) comes from a [`Base`] that the user writes in
//! OpenAPI's own words. [`OpenApiLayer`] serves it, and the files of a page that shows it.
//!
//! Not here: what routes there are, which narthex-transcode decides, and how JSON is read, which is narthex-protojson's.

#![forbid(unsafe_code)]

mod base;
mod comment;
mod document;
mod form;
mod layer;
mod names;
mod operation;
mod parameter;
mod path;
mod resource;
mod schema;
mod text_fields;

pub use base::{Base, BaseError};
pub use document::document;
pub use layer::{OpenApi, OpenApiLayer};
pub use resource::Resource;
