//! Captures, query and body to the wire of the request message.

use bytes::Bytes;
use narthex_protojson::{Field, Kind, field_json_to_wire, json_to_wire, text_to_wire};
use narthex_wire::envelope;

use crate::captured::Captured;
use crate::error::Rejection;
use crate::escape;
use crate::http_body;
use crate::media::Reading;
use crate::options::{Options, UnknownQuery};
use crate::query;
use crate::route::{Match, Route};
use crate::rule::{BodyField, RequestBody};
use crate::template::Dialect;
use crate::wire::{has_field, put_len, put_message};

/// What query and path set, as wire around that of the body; what comes last wins.
#[derive(Debug, Default)]
pub(crate) struct Target {
    /// What the body wins over: in Envoy all but the elements of lists.
    pub(crate) front: Vec<u8>,
    /// What wins over the body, and comes after the elements of its lists.
    pub(crate) tail: Vec<u8>,
}

impl Target {
    /// Of a request's head.
    pub(crate) fn of(
        found: &Match<'_, '_>,
        query: Option<&str>,
        options: &Options,
    ) -> Result<Self, Rejection> {
        let mut target = Self::default();
        let by_query = |target: &mut Self| match query {
            Some(query) => bind_query(found.route, query, options, target),
            None => Ok(()),
        };
        match options.dialect {
            Dialect::Specification => {
                by_query(&mut target)?;
                bind_path(found, options, &mut target)?;
            }
            Dialect::Envoy => {
                bind_path(found, options, &mut target)?;
                by_query(&mut target)?;
            }
        }
        Ok(target)
    }

    /// Where the value of a field is written.
    pub(crate) fn place(&mut self, field: &[Field], options: &Options) -> &mut Vec<u8> {
        let is_list = field.last().is_some_and(Field::is_list);
        if options.dialect == Dialect::Envoy && !is_list { &mut self.front } else { &mut self.tail }
    }

    /// Whether the field of the request with this number is set.
    pub(crate) fn sets(&self, number: u32) -> bool {
        has_field(&self.front, number) || has_field(&self.tail, number)
    }
}

fn bind_path(found: &Match<'_, '_>, options: &Options, target: &mut Target) -> Result<(), Rejection> {
    // Nothing of an HttpBody itself can be bound.
    if matches!(found.route.body, RequestBody::Raw) {
        return Ok(());
    }
    for capture in &found.route.captures {
        let refuse = |message: String| Rejection::Path { variable: capture.name.clone(), message };
        let text = escape::variable(found.text(capture), capture.multi, options)
            .map_err(|message| refuse(message.to_owned()))?;
        text_to_wire(&capture.fields, &text, &options.read, target.place(&capture.fields, options))
            .map_err(|error| refuse(error.to_string()))?;
    }
    Ok(())
}

/// Whether the parameters of a query set fields.
pub(crate) fn reads_query(route: &Route, options: &Options) -> bool {
    match route.body {
        // http.proto: with body "*" there are no query parameters.
        RequestBody::Whole(_) => options.query_beside_body,
        // Nothing of an HttpBody itself can be bound.
        RequestBody::Raw => false,
        RequestBody::None | RequestBody::Field(_) | RequestBody::RawField(_) => true,
    }
}

fn bind_query(route: &Route, query: &str, options: &Options, target: &mut Target) -> Result<(), Rejection> {
    let binds = reads_query(route, options);
    if matches!(route.body, RequestBody::Whole(_))
        && !binds
        && options.unknown_query == UnknownQuery::Reject
        && let Some(name) = query::first_name(query, options)
    {
        return Err(Rejection::UnknownQuery { name });
    }
    let keeper = if options.unknown_query == UnknownQuery::Capture { keeper(route) } else { None };
    if !binds && keeper.is_none() {
        return Ok(());
    }
    let mut captured = Captured::default();
    let unknown = keeper.is_some().then_some(&mut captured);
    query::bind(&route.input, query, options, binds.then_some(&mut *target), unknown)?;
    match keeper {
        Some(path) if !captured.is_empty() => nested(&path, &mut target.tail, |out| {
            captured.put(out);
            Ok(())
        }),
        _ => Ok(()),
    }
}

/// The way to the HttpBody in the request that keeps what the query has no fields for, if there is one.
fn keeper(route: &Route) -> Option<Vec<Field>> {
    match &route.body {
        RequestBody::RawField(BodyField { parents, field }) => {
            Some([parents, std::slice::from_ref(field)].concat())
        }
        _ => route.input.is_http_body().then(Vec::new),
    }
}

/// A request message in its envelope, which [`finish`] ends: what stands before the body in `target`.
pub(crate) fn begin(target: &Target, capacity: usize) -> Vec<u8> {
    let around = envelope::PREFIX + target.front.len() + target.tail.len();
    let mut out = Vec::with_capacity(around + capacity);
    out.resize(envelope::PREFIX, 0);
    out.extend_from_slice(&target.front);
    out
}

/// Adds what comes after the body.
pub(crate) fn finish(mut out: Vec<u8>, target: &Target) -> Bytes {
    out.extend_from_slice(&target.tail);
    envelope::seal(out)
}

/// The request message as far as its body.
pub(crate) fn bind_body(
    route: &Route,
    body: &Bytes,
    content_type: &[u8],
    reading: Reading,
    target: &Target,
    options: &Options,
) -> Result<Vec<u8>, Rejection> {
    let mut out = begin(target, body.len() + 16);
    match &route.body {
        RequestBody::None => {}
        RequestBody::Whole(_) if body.is_empty() => {}
        RequestBody::Whole(message) => match reading {
            Reading::Form if is_form(body) => query::bind_form(message, &[], body, options, &mut out)?,
            _ => json_to_wire(message, body, &options.read, &mut out).map_err(Rejection::Json)?,
        },
        RequestBody::Field(BodyField { parents, field }) => {
            nested(parents, &mut out, |out| bind_field(field, body, reading, options, out))?;
        }
        RequestBody::Raw => http_body::put(content_type, body, &mut out),
        RequestBody::RawField(BodyField { parents, field }) => nested(parents, &mut out, |out| {
            http_body::put_field(field, content_type, body, out);
            Ok(())
        })?,
    }
    Ok(out)
}

fn bind_field(
    field: &Field,
    body: &Bytes,
    reading: Reading,
    options: &Options,
    out: &mut Vec<u8>,
) -> Result<(), Rejection> {
    let json = |body: &[u8], out: &mut Vec<u8>| {
        field_json_to_wire(field, body, &options.read, out).map_err(Rejection::Json)
    };
    match (reading, plain_message(field)) {
        (Reading::Bytes, _) => put_len(field.number(), body, out),
        (Reading::Form, Some(message)) if is_form(body) => {
            query::bind_form(&message, std::slice::from_ref(field), body, options, out)?;
        }
        // No body is an empty message; a field of another kind stays unset.
        (_, Some(_)) if body.is_empty() => json(b"{}", out)?,
        (_, None) if body.is_empty() => {}
        _ => json(body, out)?,
    }
    Ok(())
}

/// Wraps what `put` writes in the messages that lead to it.
pub(crate) fn nested(
    parents: &[Field],
    out: &mut Vec<u8>,
    put: impl FnOnce(&mut Vec<u8>) -> Result<(), Rejection>,
) -> Result<(), Rejection> {
    if parents.is_empty() {
        return put(out);
    }
    let mut inner = Vec::new();
    put(&mut inner)?;
    for parent in parents[1..].iter().rev() {
        let mut outer = Vec::with_capacity(inner.len() + 8);
        put_message(parent, &inner, &mut outer);
        inner = outer;
    }
    put_message(&parents[0], &inner, out);
    Ok(())
}

/// The type of a field that is one message with fields of its own in JSON.
pub(crate) fn plain_message(field: &Field) -> Option<narthex_protojson::Message> {
    match field.kind() {
        Kind::Message(message) if message.well_known().is_none() && !field.is_list() && !field.is_map() => {
            Some(message)
        }
        _ => None,
    }
}

/// Whether a body that says it is a form is one: `curl -d` says so of all data, and JSON for a message starts with a brace.
pub(crate) fn is_form(body: &[u8]) -> bool {
    !body.is_empty() && !body.trim_ascii_start().starts_with(b"{")
}
