//! Fields that a request gives twice, once in its body and once in its path or query.

use std::collections::BTreeMap;

use bytes::Bytes;
use narthex_protojson::{Field, Message};
use narthex_wire::envelope;

use crate::bind::{Target, plain_message};
use crate::wire;

/// The name of a singular field that has another value in the body than in the `target` around it.
pub(crate) fn find(kind: &Message, message: &Bytes, target: &Target) -> Option<String> {
    let body = message.slice(envelope::PREFIX + target.front.len()..message.len() - target.tail.len());
    between(kind, &body, &[&target.front[..], &target.tail].concat().into())
}

/// Both are gone through once, however often they name a field.
fn between(kind: &Message, body: &Bytes, given: &Bytes) -> Option<String> {
    let is_singular = |field: &Field| !field.is_list() && !field.is_map();
    let given = merged(given, |number| kind.field_by_number(number).filter(is_singular));
    if given.is_empty() {
        return None;
    }
    let body = merged(body, |number| given.get(&number).map(|value| value.field.clone()));
    body.iter().find_map(|(number, value)| {
        let name = value.field.name();
        let given = &given.get(number)?.wire;
        match &value.inner {
            Some(inner) => between(inner, &value.wire, given).map(|inside| format!("{name}.{inside}")),
            None => (value.wire != *given).then(|| name.to_owned()),
        }
    })
}

/// What wire says of a field.
struct Value {
    field: Field,
    /// Its type, if it is a message with fields of its own.
    inner: Option<Message>,
    wire: Bytes,
    /// All that was said of such a message, if it was said several times.
    together: Vec<u8>,
}

/// The values of the fields that are `wanted`, as parsers take them: of several the last one, of messages all together.
fn merged(message: &Bytes, wanted: impl Fn(u32) -> Option<Field>) -> BTreeMap<u32, Value> {
    let mut found = BTreeMap::<u32, Value>::new();
    for wire::Field { number, value: wire } in wire::fields(message) {
        match found.get_mut(&number) {
            None => {
                let Some(field) = wanted(number) else { continue };
                let (inner, together) = (plain_message(&field), Vec::new());
                found.insert(number, Value { field, inner, wire, together });
            }
            Some(value) if value.inner.is_some() => {
                if value.together.is_empty() {
                    value.together.extend_from_slice(&value.wire);
                }
                value.together.extend_from_slice(&wire);
            }
            Some(value) => value.wire = wire,
        }
    }
    for value in found.values_mut().filter(|value| !value.together.is_empty()) {
        value.wire = std::mem::take(&mut value.together).into();
    }
    found
}
