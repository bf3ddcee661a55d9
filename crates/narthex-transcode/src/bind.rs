//! Captures, query and body to the wire of the request message.

use bytes::Bytes;
use narthex_protojson::{Kind, field_json_to_wire, json_to_wire, text_to_wire};
use narthex_wire::envelope;

use crate::error::Rejection;
use crate::http_body;
use crate::options::Options;
use crate::query;
use crate::request::unescape;
use crate::route::{Match, Route};
use crate::rule::RequestBody;

/// Appends what the query and the variables of the path set; the variables come last, so that they win.
pub(crate) fn bind_target(
    found: &Match<'_, '_>,
    query: Option<&str>,
    options: &Options,
    out: &mut Vec<u8>,
) -> Result<(), Rejection> {
    let route = found.route;
    if let Some(query) = query {
        match route.body {
            // http.proto: with body "*" there are no query parameters.
            RequestBody::Whole(_) => {
                if let (Some(name), crate::UnknownQuery::Reject) =
                    (query::first_name(query), options.unknown_query)
                {
                    return Err(Rejection::UnknownQuery { name });
                }
            }
            // Nothing of an HttpBody itself can be bound.
            RequestBody::Raw => {}
            _ => query::bind(&route.input, query, options, out)?,
        }
    }
    if matches!(route.body, RequestBody::Raw) {
        return Ok(());
    }
    for capture in &route.captures {
        let refuse = |message: String| Rejection::Path { variable: capture.name.clone(), message };
        let text =
            unescape(found.text(capture), capture.multi).map_err(|message| refuse(message.to_owned()))?;
        text_to_wire(&capture.fields, &text, out).map_err(|error| refuse(error.to_string()))?;
    }
    Ok(())
}

/// The request message in its envelope: what the body says, then `tail`.
pub(crate) fn bind_body(
    route: &Route,
    body: &Bytes,
    content_type: &[u8],
    tail: &[u8],
    options: &Options,
) -> Result<Bytes, Rejection> {
    let mut out = Vec::with_capacity(envelope::PREFIX + body.len() + tail.len() + 16);
    out.resize(envelope::PREFIX, 0);
    match &route.body {
        RequestBody::None => {}
        RequestBody::Whole(_) if body.is_empty() => {}
        RequestBody::Whole(message) => {
            json_to_wire(message, body, &options.read, &mut out).map_err(Rejection::Json)?;
        }
        RequestBody::Field(field) => {
            // No body is an empty message; a field of another kind stays unset.
            let is_object = matches!(field.kind(), Kind::Message(message) if message.well_known().is_none());
            let empty = is_object && !field.is_list() && !field.is_map();
            match body {
                body if !body.is_empty() => {
                    field_json_to_wire(field, body, &options.read, &mut out).map_err(Rejection::Json)?;
                }
                _ if empty => {
                    field_json_to_wire(field, b"{}", &options.read, &mut out).map_err(Rejection::Json)?;
                }
                _ => {}
            }
        }
        RequestBody::Raw => http_body::put(content_type, body, &mut out),
        RequestBody::RawField(field) => http_body::put_field(field.number(), content_type, body, &mut out),
    }
    out.extend_from_slice(tail);
    Ok(envelope::seal(out))
}
