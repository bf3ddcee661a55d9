//! Listening, HTTP/1 and HTTP/2 connections, and what surrounds every request.
#![forbid(unsafe_code)]

pub mod catch;
pub mod deadline;
pub mod dispatch;
pub mod forwarded;
pub mod observe;
#[cfg(test)]
mod testing;
