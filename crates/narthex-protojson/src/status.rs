//! A gRPC status as the JSON of google.rpc.Status.

use bytes::Bytes;
use prost::Message as _;

use crate::pool::Pool;
use crate::text;
use crate::write::{WriteOptions, wire_to_json};

#[derive(Clone, PartialEq, prost::Message)]
struct RpcStatus {
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<Any>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Any {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes = "bytes", tag = "2")]
    value: Bytes,
}

/// Appends `{"code":5,"message":"...","details":[...]}`, of which what is empty is left out as in any message.
///
/// `status` is the google.rpc.Status of `grpc-status-details-bin`, which may be empty; of it the details are used, and
/// its message where it has one. An error must never get lost, so this cannot fail: a detail whose type is not in the
/// pool, or that cannot be decoded, is written as `{"@type": ..., "value": base64}`, and details that are no
/// google.rpc.Status are left out.
pub fn status_details_to_json(
    pool: &Pool,
    code: i32,
    message: &str,
    status: &[u8],
    options: &WriteOptions,
    out: &mut Vec<u8>,
) {
    let decoded = RpcStatus::decode(status).unwrap_or_default();
    let message = if decoded.message.is_empty() { message } else { &decoded.message };
    out.extend_from_slice(format!("{{\"code\":{code}").as_bytes());
    if !message.is_empty() || options.always_print {
        out.extend_from_slice(b",\"message\":");
        text::put_string(message, out);
    }
    if !decoded.details.is_empty() || options.always_print {
        out.extend_from_slice(b",\"details\":[");
        for (index, detail) in decoded.details.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            put_detail(pool, detail, *options, out);
        }
        out.push(b']');
    }
    out.push(b'}');
}

/// One detail of a google.rpc.Status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusDetail {
    /// The full name of its type (`google.rpc.BadRequest`), without what a type URL has before it.
    pub type_name: String,
    /// Its serialized value.
    pub value: Bytes,
}

/// The details of a serialized google.rpc.Status, in their order; none if it is not one.
pub fn status_details(status: &[u8]) -> Vec<StatusDetail> {
    let name = |url: &str| url.rsplit('/').next().unwrap_or_default().to_owned();
    let details = RpcStatus::decode(status).unwrap_or_default().details;
    details.into_iter().map(|any| StatusDetail { type_name: name(&any.type_url), value: any.value }).collect()
}

fn put_detail(pool: &Pool, detail: &Any, options: WriteOptions, out: &mut Vec<u8>) {
    let before = out.len();
    let any = pool.message("google.protobuf.Any");
    let written = any.map(|any| wire_to_json(&any, &detail.encode_to_vec(), &options, out));
    if !matches!(written, Some(Ok(()))) {
        out.truncate(before);
        out.extend_from_slice(b"{\"@type\":");
        text::put_string(&detail.type_url, out);
        out.extend_from_slice(b",\"value\":\"");
        text::put_base64(&detail.value, out);
        out.extend_from_slice(b"\"}");
    }
}
