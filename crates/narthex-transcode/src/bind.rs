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
use crate::wire::{put_len, put_message};

/// Appends what the query and the variables of the path set; what comes last wins.
pub(crate) fn bind_target(
    found: &Match<'_, '_>,
    query: Option<&str>,
    options: &Options,
    out: &mut Vec<u8>,
) -> Result<(), Rejection> {
    let by_query = |out: &mut Vec<u8>| match query {
        Some(query) => bind_query(found.route, query, options, out),
        None => Ok(()),
    };
    match options.dialect {
        Dialect::Specification => {
            by_query(out)?;
            bind_path(found, options, out)
        }
        Dialect::Envoy => {
            bind_path(found, options, out)?;
            by_query(out)
        }
    }
}

fn bind_path(found: &Match<'_, '_>, options: &Options, out: &mut Vec<u8>) -> Result<(), Rejection> {
    // Nothing of an HttpBody itself can be bound.
    if matches!(found.route.body, RequestBody::Raw) {
        return Ok(());
    }
    for capture in &found.route.captures {
        let refuse = |message: String| Rejection::Path { variable: capture.name.clone(), message };
        let text = escape::variable(found.text(capture), capture.multi, options)
            .map_err(|message| refuse(message.to_owned()))?;
        text_to_wire(&capture.fields, &text, &options.read, out)
            .map_err(|error| refuse(error.to_string()))?;
    }
    Ok(())
}

fn bind_query(route: &Route, query: &str, options: &Options, out: &mut Vec<u8>) -> Result<(), Rejection> {
    let binds = match route.body {
        // http.proto: with body "*" there are no query parameters.
        RequestBody::Whole(_) if !options.query_beside_body => {
            if options.unknown_query == UnknownQuery::Reject
                && let Some(name) = query::first_name(query, options)
            {
                return Err(Rejection::UnknownQuery { name });
            }
            false
        }
        // Nothing of an HttpBody itself can be bound.
        RequestBody::Raw => false,
        _ => true,
    };
    let keeper = if options.unknown_query == UnknownQuery::Capture { keeper(route) } else { None };
    if !binds && keeper.is_none() {
        return Ok(());
    }
    let mut captured = Captured::default();
    let unknown = keeper.is_some().then_some(&mut captured);
    query::bind(&route.input, query, options, binds.then_some(&mut *out), unknown)?;
    match keeper {
        Some(path) if !captured.is_empty() => nested(&path, out, |out| {
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

/// The request message in its envelope: what the body says, then `tail`.
pub(crate) fn bind_body(
    route: &Route,
    body: &Bytes,
    content_type: &[u8],
    reading: Reading,
    tail: &[u8],
    options: &Options,
) -> Result<Bytes, Rejection> {
    let mut out = Vec::with_capacity(envelope::PREFIX + body.len() + tail.len() + 16);
    out.resize(envelope::PREFIX, 0);
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
    out.extend_from_slice(tail);
    Ok(envelope::seal(out))
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
