//! The head of an HTTP request to that of a gRPC request.

use http::header::{self, HeaderValue};
use http::{Method, request};
use narthex_wire::{metadata, names};

use crate::route::Route;

/// Turns the head of a request into that of the gRPC call of `route`; extensions are kept.
pub(crate) fn to_grpc(head: &mut request::Parts, route: &Route) {
    head.method = Method::POST;
    head.uri = route.target().clone();
    metadata::keep_metadata(&mut head.headers);
    head.headers.insert(header::CONTENT_TYPE, names::APPLICATION_GRPC.clone());
    head.headers.insert(header::TE, HeaderValue::from_static("trailers"));
}
