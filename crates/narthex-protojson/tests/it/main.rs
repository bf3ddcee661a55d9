//! Tests of the crate as its users see it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod builtin;
mod files;
mod pool;
mod property;
mod read;
mod status;
mod support;
mod text;
mod vectors;
mod write;
