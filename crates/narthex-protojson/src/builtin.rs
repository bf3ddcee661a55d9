//! The files every pool holds, whether or not the caller's set has them.
//!
//! Of google.api `http`, `annotations`, `httpbody` and `field_behavior`, of google.rpc `status`, `error_details` and `code`,
//! and the well-known types: what an error's details or an HttpBody need, which a service's own imports often leave out.
//! `builtin.binpb` is compiled from `proto/` (googleapis, Apache-2.0) by the crate's tests, which fail when it is stale.

/// A serialized `google.protobuf.FileDescriptorSet` of the files that every [`Pool`](crate::Pool) holds.
pub static BUILTIN_DESCRIPTOR_SET: &[u8] = include_bytes!("builtin.binpb");
