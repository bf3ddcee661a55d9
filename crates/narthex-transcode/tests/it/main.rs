//! Tests of the crate as its users see it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bodies;
mod bombs;
mod client_streams;
mod forms;
mod layer;
mod property;
mod requests;
mod responses;
mod routes;
mod schema;
mod shaped;
mod streams;
mod support;
mod vectors;
