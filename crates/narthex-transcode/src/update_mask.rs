//! A PATCH says by the members of its body which fields it updates.
//!
//! The paths of an update's mask lead from the resource, not from the request (`google/protobuf/field_mask.proto`, AIP-134). Where
//! the body is a field, that is the resource. Where it is the whole request (`body: "*"`), which grpc-gateway does not fill
//! at all, the resource is the message that the variables of the path lead into, as in `/v1/{book.name=books/*}`, else the
//! only message that the request has. Where neither says which one it is, no mask is filled: a wrong one would have a service
//! leave out what it was sent, and without one it does what it does for clients that know of none.

use std::collections::BTreeSet;

use narthex_protojson::{Field, Kind, Message, WellKnown};
use serde_json::Value;

use crate::bind::{is_form, plain_message};
use crate::media::Reading;
use crate::options::Options;
use crate::query;
use crate::route::Route;
use crate::rule::{BodyField, RequestBody};
use crate::wire::{has_field, put_len};

/// The `FieldMask` of a request, while its body is read.
pub(crate) struct UpdateMask {
    mask: Field,
    body: Message,
    /// What is updated.
    resource: Field,
    /// The body is the resource; else the request, which has it.
    is_body: bool,
    /// None before the body gives the resource.
    paths: Option<BTreeSet<String>>,
    /// The body has a mask of its own.
    is_given: bool,
}

impl UpdateMask {
    /// If the request has one that `tail` does not set, and a resource that it is of.
    pub(crate) fn wanted(route: &Route, tail: &[u8]) -> Option<Self> {
        let mask = only(route.input.fields().filter(is_mask))?;
        if has_field(tail, mask.number()) {
            return None;
        }
        let (body, resource, is_body) = match &route.body {
            RequestBody::Field(BodyField { field, .. }) => (plain_message(field)?, field.clone(), true),
            RequestBody::Whole(body) => (body.clone(), resource(route)?, false),
            RequestBody::None | RequestBody::Raw | RequestBody::RawField(_) => return None,
        };
        Some(Self { mask, body, resource, is_body, paths: None, is_given: false })
    }

    /// Takes note of what a body gives; one that cannot be read is refused when it becomes the message.
    pub(crate) fn read(&mut self, body: &[u8], reading: Reading, options: &Options) {
        if reading == Reading::Form && is_form(body) {
            for fields in query::form_fields(&self.body, body, options) {
                self.add(&fields, None);
            }
            return;
        }
        match serde_json::from_slice(body) {
            Ok(value) if self.is_body => self.add(&[], Some(&value)),
            // null is what is not there.
            Ok(Value::Object(members)) => {
                for (name, value) in members.iter().filter(|(_, value)| !value.is_null()) {
                    if let Some(field) = self.body.field(name) {
                        self.add(&[field], Some(value));
                    }
                }
            }
            _ => {}
        }
    }

    /// Takes note of a field of the body, which is JSON or text.
    pub(crate) fn add(&mut self, fields: &[Field], value: Option<&Value>) {
        let within = match fields {
            fields if self.is_body => fields,
            [first, within @ ..] if first.number() == self.resource.number() => within,
            fields => {
                self.is_given |= fields.first().is_some_and(|first| first.number() == self.mask.number());
                return;
            }
        };
        let names: Vec<&str> = within.iter().map(Field::name).collect();
        let kind = plain_message(within.last().unwrap_or(&self.resource));
        add_paths(self.paths.get_or_insert_default(), names.join("."), kind, value);
    }

    /// Appends it, unless the body gave another one, or nothing to update.
    pub(crate) fn put(self, tail: &mut Vec<u8>) {
        let Some(paths) = self.paths.filter(|_| !self.is_given) else { return };
        let mut wire = Vec::new();
        for path in &paths {
            put_len(1, path.as_bytes(), &mut wire);
        }
        put_len(self.mask.number(), &wire, tail);
    }
}

fn add_paths(paths: &mut BTreeSet<String>, path: String, kind: Option<Message>, value: Option<&Value>) {
    match (kind, value) {
        (Some(kind), Some(Value::Object(members))) if path.is_empty() || !members.is_empty() => {
            for (name, value) in members {
                let Some(field) = kind.field(name) else { continue };
                let dot = if path.is_empty() { "" } else { "." };
                add_paths(paths, format!("{path}{dot}{}", field.name()), plain_message(&field), Some(value));
            }
        }
        _ if path.is_empty() => {}
        _ => drop(paths.insert(path)),
    }
}

/// What a request updates whose body is all of it.
fn resource(route: &Route) -> Option<Field> {
    let messages = || route.input.fields().filter(|field| plain_message(field).is_some());
    let is_led_into = |field: &Field| {
        let leads = |fields: &[Field]| fields.len() > 1 && fields[0].number() == field.number();
        route.captures.iter().any(|capture| leads(&capture.fields))
    };
    only(messages().filter(is_led_into)).or_else(|| only(messages()))
}

fn is_mask(field: &Field) -> bool {
    let is_mask =
        matches!(field.kind(), Kind::Message(kind) if kind.well_known() == Some(WellKnown::FieldMask));
    is_mask && !field.is_list() && !field.is_map()
}

fn only<T>(mut all: impl Iterator<Item = T>) -> Option<T> {
    all.next().filter(|_| all.next().is_none())
}
