//! A PATCH says by the fields of its body which of them it updates.

use bytes::Bytes;
use narthex_protojson::{Field, Kind, Message, WellKnown};
use serde_json::Value;

use crate::bind::plain_message;
use crate::route::Route;
use crate::rule::{BodyField, RequestBody};
use crate::wire::{has_field, put_len};

/// Appends the `FieldMask` of the request, where it has one and `tail` does not set it. The paths are the fields of the body.
pub(crate) fn fill(route: &Route, body: &Bytes, tail: &mut Vec<u8>) {
    let RequestBody::Field(BodyField { field, .. }) = &route.body else { return };
    let (Some(kind), Some(mask)) = (plain_message(field), only_mask(&route.input)) else { return };
    if has_field(tail, mask.number()) {
        return;
    }
    // What is not JSON is refused when it is read as the message that it should be.
    let Ok(Value::Object(members)) = serde_json::from_slice(body) else { return };
    let mut paths = Vec::new();
    for (name, value) in &members {
        add_paths(&kind, name, value, "", &mut paths);
    }
    let mut wire = Vec::new();
    for path in &paths {
        put_len(1, path.as_bytes(), &mut wire);
    }
    put_len(mask.number(), &wire, tail);
}

/// The one field of the request that is a `FieldMask`.
fn only_mask(request: &Message) -> Option<Field> {
    let is_mask = |field: &Field| {
        let kind =
            matches!(field.kind(), Kind::Message(kind) if kind.well_known() == Some(WellKnown::FieldMask));
        kind && !field.is_list() && !field.is_map()
    };
    let mut masks = request.fields().filter(is_mask);
    masks.next().filter(|_| masks.next().is_none())
}

fn add_paths(kind: &Message, name: &str, value: &Value, before: &str, paths: &mut Vec<String>) {
    let Some(field) = kind.field(name) else { return };
    let path = format!("{before}{}", field.name());
    match (plain_message(&field), value) {
        (Some(inner), Value::Object(members)) if !members.is_empty() => {
            let before = format!("{path}.");
            for (name, value) in members {
                add_paths(&inner, name, value, &before, paths);
            }
        }
        _ => paths.push(path),
    }
}
