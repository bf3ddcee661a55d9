//! A PATCH says by the members of its body which fields it updates.
//!
//! The paths of an update's mask lead from the resource, not from the request (`google/protobuf/field_mask.proto`, AIP-134). Where
//! the body is a field, that is the resource. Where it is the whole request (`body: "*"`), which grpc-gateway does not fill
//! at all, the resource is the message that the variables of the path lead into, as in `/v1/{book.name=books/*}`, else the
//! only message that the request has. Where neither says which one it is, no mask is filled: a wrong one would have a service
//! leave out what it was sent, and without one it does what it does for clients that know of none.
//!
//! What the query says of the resource it updates as well. What the path says of it tells which one it is.

use std::collections::BTreeSet;
use std::fmt;

use narthex_protojson::{Field, Kind, Message, WellKnown};
use serde::Deserializer as _;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, Visitor};

use crate::bind::{Target, is_form, plain_message};
use crate::error::Rejection;
use crate::media::Reading;
use crate::options::Options;
use crate::query;
use crate::route::Route;
use crate::rule::{BodyField, RequestBody};
use crate::wire::put_len;

/// How many bytes of paths a mask may have. Those of a resource that holds itself may be many times as long as the body that has
/// them, which says the names of what is above a field once.
const LONGEST: usize = 1 << 20;

/// The `FieldMask` of a request. What it is told of a body has been read before, and fits its message.
pub(crate) struct UpdateMask {
    mask: Field,
    body: Message,
    /// What is updated, by the way from the request.
    resource: Vec<Field>,
    /// The body is the resource; else the request, which has it.
    is_body: bool,
    paths: Paths,
    /// The body has a mask of its own.
    is_given: bool,
}

impl UpdateMask {
    /// If the request has one that `target` does not set, and a resource that it is of.
    pub(crate) fn wanted(route: &Route, target: &Target) -> Option<Self> {
        let mask = only(route.input.fields().filter(is_mask))?;
        if target.sets(mask.number()) {
            return None;
        }
        let (body, resource, is_body) = match &route.body {
            RequestBody::Field(BodyField { parents, field }) => {
                (plain_message(field)?, [parents, std::slice::from_ref(field)].concat(), true)
            }
            RequestBody::Whole(body) => (body.clone(), vec![resource(route)?], false),
            RequestBody::None | RequestBody::Raw | RequestBody::RawField(_) => return None,
        };
        Some(Self { mask, body, resource, is_body, paths: Paths::default(), is_given: false })
    }

    /// Takes note of what a body gives.
    pub(crate) fn read(&mut self, body: &[u8], reading: Reading, options: &Options) -> Result<(), Rejection> {
        if reading == Reading::Form && is_form(body) {
            let message = self.body.clone();
            return query::form_fields(&message, body, options)
                .try_for_each(|fields| self.add(&fields, None));
        }
        if body.is_empty() {
            return Ok(());
        }
        if self.is_body {
            return self.add(&[], Some(body));
        }
        let mut body = serde_json::Deserializer::from_slice(body);
        let read = body.deserialize_any(Request { mask: self });
        read.or_else(|_| self.unread())
    }

    /// Takes note of what a query gives; of what the path gives as well there is nothing to update.
    pub(crate) fn read_query(
        &mut self,
        route: &Route,
        query: &str,
        options: &Options,
    ) -> Result<(), Rejection> {
        let is_captured = |fields: &[Field]| route.captures.iter().any(|capture| capture.fields == fields);
        query::fields(&route.input, query, options).filter(|fields| !is_captured(fields)).try_for_each(
            |fields| match within(&fields, &self.resource) {
                Some(within) => self.paths.add(within).map_err(|TooLong| self.too_long()),
                None => Ok(()),
            },
        )
    }

    /// Takes note of a field of the body, which is JSON if that is there, else text.
    pub(crate) fn add(&mut self, fields: &[Field], json: Option<&[u8]>) -> Result<(), Rejection> {
        let within = if self.is_body { Some(fields) } else { within(fields, &self.resource) };
        let Some(within) = within else {
            let is_null = json.is_some_and(|json| json.trim_ascii() == b"null");
            self.is_given |= !is_null && fields.first() == Some(&self.mask);
            return Ok(());
        };
        let kind = within.last().or(self.resource.last()).and_then(plain_message);
        let Some((json, kind)) = json.zip(kind) else {
            return self.paths.add(within).map_err(|TooLong| self.too_long());
        };
        let outer = self.paths.enter(within);
        let mut json = serde_json::Deserializer::from_slice(json);
        let read = Members { paths: &mut self.paths, kind: Some(kind) }.deserialize(&mut json);
        self.paths.leave(outer);
        read.or_else(|_| self.unread())
    }

    /// Appends it, unless the body gave another one, or nothing to update.
    pub(crate) fn put(self, tail: &mut Vec<u8>) {
        let Some(paths) = self.paths.found.filter(|_| !self.is_given) else { return };
        let mut wire = Vec::new();
        for path in &paths {
            put_len(1, path.as_bytes(), &mut wire);
        }
        put_len(self.mask.number(), &wire, tail);
    }

    /// What becomes of a mask whose JSON was not read to its end.
    fn unread(&mut self) -> Result<(), Rejection> {
        if self.paths.left == 0 {
            return Err(self.too_long());
        }
        // It was read as JSON before; if it is none after all, half a mask would be a wrong one.
        self.is_given = true;
        Ok(())
    }

    fn too_long(&self) -> Rejection {
        Rejection::Mask { field: self.mask.json_name().to_owned(), limit: LONGEST }
    }
}

/// What of a way leads on from the end of another.
fn within<'f>(fields: &'f [Field], resource: &[Field]) -> Option<&'f [Field]> {
    let (above, within) = fields.split_at_checked(resource.len())?;
    (above == resource).then_some(within)
}

struct TooLong;

/// The paths of a mask, while they are found.
struct Paths {
    /// None before anything of the resource is given.
    found: Option<BTreeSet<String>>,
    /// The way to where the reading is.
    at: String,
    /// How many bytes there may be yet.
    left: usize,
}

impl Default for Paths {
    fn default() -> Self {
        Self { found: None, at: String::new(), left: LONGEST }
    }
}

impl Paths {
    /// Goes on to a field, or by several; [`leave`](Self::leave) gets what this returns.
    fn enter(&mut self, fields: &[Field]) -> usize {
        let outer = self.at.len();
        for field in fields {
            if !self.at.is_empty() {
                self.at.push('.');
            }
            self.at.push_str(field.name());
        }
        outer
    }

    fn leave(&mut self, outer: usize) {
        self.at.truncate(outer);
    }

    fn add(&mut self, fields: &[Field]) -> Result<(), TooLong> {
        let outer = self.enter(fields);
        let added = self.add_here();
        self.leave(outer);
        added
    }

    /// The field where the reading is; the resource itself is none.
    fn add_here(&mut self) -> Result<(), TooLong> {
        if self.at.is_empty() {
            return Ok(());
        }
        let found = self.found.get_or_insert_default();
        if !found.contains(&self.at) {
            self.left = self.left.saturating_sub(self.at.len());
            if self.left == 0 {
                return Err(TooLong);
            }
            found.insert(self.at.clone());
        }
        Ok(())
    }
}

/// The JSON of a field: the names of its members if it is a message, and nothing is kept of what they hold.
struct Members<'m> {
    paths: &'m mut Paths,
    kind: Option<Message>,
}

impl Members<'_> {
    /// It is one value.
    fn end<E: serde::de::Error>(self) -> Result<(), E> {
        self.paths.add_here().map_err(|TooLong| E::custom("too long"))
    }
}

impl<'de> DeserializeSeed<'de> for Members<'_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, value: D) -> Result<(), D::Error> {
        if self.kind.is_some() {
            return value.deserialize_any(self);
        }
        value.deserialize_ignored_any(IgnoredAny)?;
        self.end()
    }
}

impl<'de> Visitor<'de> for Members<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a message")
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        self.end()
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let Self { paths, kind } = self;
        let mut is_empty = true;
        // Of a resource without members nothing is updated, which is a mask too.
        if paths.at.is_empty() {
            paths.found.get_or_insert_default();
            is_empty = false;
        }
        while let Some(name) = members.next_key::<String>()? {
            is_empty = false;
            let Some(field) = kind.as_ref().and_then(|kind| kind.field(&name)) else {
                members.next_value::<IgnoredAny>()?;
                continue;
            };
            let outer = paths.enter(std::slice::from_ref(&field));
            members.next_value_seed(Members { paths: &mut *paths, kind: plain_message(&field) })?;
            paths.leave(outer);
        }
        if is_empty { Members { paths, kind }.end() } else { Ok(()) }
    }
}

/// The JSON of a request, whose resource is a member.
struct Request<'m> {
    mask: &'m mut UpdateMask,
}

impl<'de> Visitor<'de> for Request<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a message")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let UpdateMask { mask, body, resource, paths, is_given, .. } = self.mask;
        while let Some(name) = members.next_key::<String>()? {
            let field = body.field(&name);
            if field.as_ref() == resource.last() {
                let kind = field.as_ref().and_then(plain_message);
                members.next_value_seed(Members { paths: &mut *paths, kind })?;
            } else {
                // null is what is not there.
                let is_there = members.next_value::<Option<IgnoredAny>>()?.is_some();
                *is_given |= is_there && field.as_ref() == Some(&*mask);
            }
        }
        Ok(())
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
