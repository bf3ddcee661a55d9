//! What reads bytes from strangers, as functions of those bytes that panic where a promise is broken.
//!
//! Each module is a target: libFuzzer calls it by the binary of that name in `fuzz_targets`, and `tests/corpus.rs` with the inputs
//! that were kept. README.md has the list of them. It is *not* where a bug's regression test belongs: that is the crate's.

#![forbid(unsafe_code)]

pub mod connect_query;
pub mod edge_framing;
pub mod edge_origin;
pub mod grpc_web_text;
pub mod http_body;
pub mod json_to_wire;
mod protos;
pub mod requests;
pub mod transcode_template;
pub mod wire_envelope;
pub mod wire_metadata;
pub mod wire_to_json;

/// Holds bytes against what a reader promises.
pub type Target = fn(&[u8]);

/// All of them, by name.
pub const TARGETS: [(&str, Target); 11] = [
    ("connect_query", connect_query::run),
    ("edge_framing", edge_framing::run),
    ("edge_origin", edge_origin::run),
    ("grpc_web_text", grpc_web_text::run),
    ("http_body", http_body::run),
    ("json_to_wire", json_to_wire::run),
    ("requests", requests::run),
    ("transcode_template", transcode_template::run),
    ("wire_envelope", wire_envelope::run),
    ("wire_metadata", wire_metadata::run),
    ("wire_to_json", wire_to_json::run),
];
