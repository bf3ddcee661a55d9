//! Fields that a request gives twice, once in its body and once in its path or query.

use bytes::Bytes;
use narthex_protojson::{Kind, Message};
use narthex_wire::envelope;

use crate::wire::{self, Field};

/// The name of a singular field that has another value in the body than in the `tail` behind it.
pub(crate) fn find(kind: &Message, message: &Bytes, tail: &[u8]) -> Option<String> {
    let body = message.slice(envelope::PREFIX..message.len() - tail.len());
    between(kind, &body, &Bytes::copy_from_slice(tail))
}

fn between(kind: &Message, body: &Bytes, tail: &Bytes) -> Option<String> {
    wire::fields(tail).find_map(|given| {
        let field = kind.field_by_number(given.number)?;
        if field.is_list() || field.is_map() {
            return None;
        }
        let Field { value, .. } = wire::fields(body).filter(|other| other.number == given.number).last()?;
        match field.kind() {
            Kind::Message(inner) if inner.well_known().is_none() => {
                let inside = between(&inner, &value, &given.value)?;
                Some(format!("{}.{inside}", field.name()))
            }
            _ => (value != given.value).then(|| field.name().to_owned()),
        }
    })
}
