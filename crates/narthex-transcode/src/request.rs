//! The head of an HTTP request to that of a gRPC request.

use http::header::{self, HeaderValue};
use http::{Method, request};
use narthex_wire::{Asked, metadata, names};

use crate::route::Route;

/// Turns the head of a request into that of the gRPC call of `route`; extensions are kept. What was asked is told if `is_told`.
pub(crate) fn to_grpc(head: &mut request::Parts, route: &Route, is_told: bool) {
    let method = std::mem::replace(&mut head.method, Method::POST);
    let uri = std::mem::replace(&mut head.uri, route.target().clone());
    let host = head.headers.remove(header::HOST);
    if is_told {
        head.extensions.insert(Asked { method, uri, host });
    }
    metadata::keep_metadata(&mut head.headers);
    head.headers.insert(header::CONTENT_TYPE, names::APPLICATION_GRPC.clone());
    head.headers.insert(header::TE, HeaderValue::from_static("trailers"));
}
