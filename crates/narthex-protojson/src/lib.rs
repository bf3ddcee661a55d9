//! Descriptors, and ProtoJSON text to and from protobuf wire.
//!
//! A [`Pool`] is built once, at start, from the bytes of a `FileDescriptorSet`; the handles it gives out
//! ([`Message`], [`Field`], [`Service`], [`Method`]) are cheap to clone. Four functions do the work of a request:
//!
//! * [`json_to_wire`] and [`wire_to_json`] for whole messages,
//! * [`field_json_to_wire`] and [`wire_to_field_json`] for the one field that an `HttpRule` names as its body,
//!   with [`element_json_to_wire`] for where the elements of a list come one by one,
//!
//! and [`text_to_wire`] turns a path capture or a query parameter into the wire bytes of one field. Everything
//! written is wire that can be appended to other wire of the same message: protobuf merges, last one wins.
//!
//! This crate does no IO, knows no HTTP, and is the only one that names prost-reflect; none of that crate's types
//! is in the public API, so that the way descriptors are held can change without anybody noticing.

#![forbid(unsafe_code)]

mod bits;
mod builtin;
mod declared;
mod editions;
mod error;
mod files;
mod handle;
mod http_rule;
mod pool;
mod read;
mod scalar;
mod status;
mod table;
mod text;
mod wire;
mod wkt;
mod write;

pub use builtin::BUILTIN_DESCRIPTOR_SET;
pub use declared::{Behavior, Declarations};
pub use error::{PoolError, PoolProblem, ReadError, TextError, WriteError};
pub use files::{File, join_descriptor_sets};
pub use handle::{Field, Kind, Message, Method, Service};
pub use http_rule::{Custom, HttpRule, Pattern};
pub use pool::Pool;
pub use read::{ReadOptions, element_json_to_wire, field_json_to_wire, json_to_wire};
pub use scalar::text_to_wire;
pub use status::{StatusDetail, status_details, status_details_to_json};
pub use wire::{MAX_DEPTH, TOO_DEEP, put_varint};
pub use wkt::WellKnown;
pub use write::{WriteOptions, wire_to_field_json, wire_to_json};
