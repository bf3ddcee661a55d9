//! `multipart/form-data` to the wire of a message: each part is a field.

use std::convert::Infallible;
use std::error::Error as _;

use bytes::Bytes;
use http::header::{self, HeaderMap};
use multer::{Error, Multipart};
use narthex_protojson::{
    Field, Kind, MAX_DEPTH, Message, TOO_DEEP, element_json_to_wire, field_json_to_wire, text_to_wire,
};
use narthex_wire::protocol::essence;

use crate::bind::{self, Target, nested};
use crate::error::Rejection;
use crate::field_path;
use crate::http_body;
use crate::media;
use crate::options::Options;
use crate::route::Route;
use crate::rule::{BodyField, RequestBody};
use crate::update_mask::UpdateMask;
use crate::wire::put_len;

/// The request message as far as its body, which is what the parts say; `mask` is told of them.
pub(crate) async fn bind_body(
    route: &Route,
    body: Bytes,
    content_type: &[u8],
    target: &Target,
    mut mask: Option<&mut UpdateMask>,
    options: &Options,
) -> Result<Vec<u8>, Rejection> {
    let (kind, parents) = match &route.body {
        RequestBody::Field(BodyField { parents, field }) => match field.kind() {
            Kind::Message(kind) => (kind, [parents, std::slice::from_ref(field)].concat()),
            _ => return Err(Rejection::form("", "this field takes no form")),
        },
        _ => (route.input.clone(), Vec::new()),
    };
    let boundary = boundary(content_type)?;
    let whole = std::future::ready(Ok::<_, Infallible>(body));
    let mut parts = Multipart::new(futures_util::stream::once(whole), boundary);
    let mut out = bind::begin(target, 0);
    while let Some(part) = parts.next_field().await.map_err(|error| malformed(&error))? {
        let Some(part) = Part::read(&kind, part, options).await? else { continue };
        let (last, inner) = part.fields.split_last().expect("a field path that resolves is not empty");
        let parents = [&parents, inner].concat();
        if parents.len() > MAX_DEPTH {
            return Err(Rejection::form(&part.name, TOO_DEEP));
        }
        nested(&parents, &mut out, |out| part.bind(last, options, out))?;
        if let Some(mask) = &mut mask {
            let json = (part.form(last) == Form::Json).then_some(&part.data[..]);
            mask.add(&part.fields, json)?;
        }
    }
    Ok(out)
}

/// RFC 2046 5.1.1.
const LONGEST_BOUNDARY: usize = 70;

/// What stands between the parts of a multipart body of any kind.
pub(crate) fn boundary(content_type: &[u8]) -> Result<String, Rejection> {
    let boundary = parameter(content_type, b"boundary").and_then(|boundary| String::from_utf8(boundary).ok());
    let boundary = boundary.ok_or_else(|| Rejection::form("", "the content-type names no boundary"))?;
    // It is looked for with every piece that comes.
    if (1..=LONGEST_BOUNDARY).contains(&boundary.len()) {
        Ok(boundary)
    } else {
        Err(Rejection::form("", "the boundary has to be of 1 to 70 characters"))
    }
}

/// A parameter of a header, as in `form-data; name="a"` (RFC 9110 5.6.6). What is not quoted is taken up to the next semicolon.
///
/// multer's own reading finds ` name=` in the text of a `filename`, too.
fn parameter(header: &[u8], wanted: &[u8]) -> Option<Vec<u8>> {
    let mut rest = behind_semicolon(header);
    loop {
        let equals = rest.iter().position(|byte| matches!(byte, b'=' | b';'))?;
        let (name, value) = (rest[..equals].trim_ascii(), rest[equals..].strip_prefix(b"="));
        let Some(value) = value.map(<[u8]>::trim_ascii_start) else {
            rest = &rest[equals + 1..];
            continue;
        };
        let (value, behind) = if let Some(quoted) = value.strip_prefix(b"\"") {
            unquoted(quoted)?
        } else {
            let end = value.iter().position(|byte| *byte == b';').unwrap_or(value.len());
            (value[..end].trim_ascii_end().to_vec(), &value[end..])
        };
        if name.eq_ignore_ascii_case(wanted) {
            return Some(value);
        }
        rest = behind_semicolon(behind);
    }
}

/// What a text whose first quotation mark has been passed says up to the last one, and what is behind that.
fn unquoted(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut value = Vec::new();
    let mut bytes = text.iter().enumerate();
    while let Some((at, &byte)) = bytes.next() {
        match (byte, text.get(at + 1)) {
            (b'"', _) => return Some((value, &text[at + 1..])),
            // Nothing else: there are browsers that send C:\names\of\files.
            (b'\\', Some(escaped @ (b'"' | b'\\'))) => {
                value.push(*escaped);
                bytes.next();
            }
            _ => value.push(byte),
        }
    }
    None
}

fn behind_semicolon(text: &[u8]) -> &[u8] {
    text.iter().position(|byte| *byte == b';').map_or(&[], |at| &text[at + 1..])
}

/// A part that is whole.
struct Part {
    name: String,
    /// The way to the field that it names.
    fields: Vec<Field>,
    /// As it came; empty if it says nothing.
    content_type: Vec<u8>,
    is_file: bool,
    data: Bytes,
}

/// What the data of a part are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// The value of a `bytes` field as it is.
    Bytes,
    HttpBody,
    Json,
    Text,
}

impl Part {
    /// None if it is to be left out.
    async fn read(
        kind: &Message,
        part: multer::Field<'_>,
        options: &Options,
    ) -> Result<Option<Self>, Rejection> {
        let headers = part.headers();
        let is_file = is_file(headers);
        let name = headers.get(header::CONTENT_DISPOSITION);
        let name = name.and_then(|value| parameter(value.as_bytes(), b"name"));
        let name = name.and_then(|name| String::from_utf8(name).ok()).filter(|name| !name.is_empty());
        // Without headers multer would give what comes after another empty line.
        let name = name.ok_or_else(|| Rejection::form("", "a part has no name"))?;
        let content_type = headers.get(header::CONTENT_TYPE).map(|value| value.as_bytes().to_vec());
        let data = part.bytes().await.map_err(|error| malformed(&error))?;
        if field_path::is_too_deep(&name) {
            return Err(Rejection::form(&name, TOO_DEEP));
        }
        match field_path::resolve(kind, name.split('.')) {
            Ok(fields) => {
                let content_type = content_type.unwrap_or_default();
                Ok(Some(Self { name, fields, content_type, is_file, data }))
            }
            Err(_) if options.read.ignore_unknown => Ok(None),
            Err(_) => Err(Rejection::form(&name, format!("{} has no such field", kind.full_name()))),
        }
    }

    /// What it is to the field that it names.
    fn form(&self, field: &Field) -> Form {
        let is_json = media::type_is_json(essence(&self.content_type));
        match field.kind() {
            // A file, or a text box: both are bytes as they are. JSON says them in base64, unless it is what somebody's file holds.
            Kind::Bytes if self.is_file || !is_json => Form::Bytes,
            Kind::Message(kind) if kind.is_http_body() => Form::HttpBody,
            _ if is_json => Form::Json,
            _ => Form::Text,
        }
    }

    fn bind(&self, field: &Field, options: &Options, out: &mut Vec<u8>) -> Result<(), Rejection> {
        match self.form(field) {
            Form::Bytes => put_len(field.number(), &self.data, out),
            Form::HttpBody => http_body::put_field(field, &self.content_type, &self.data, out),
            Form::Json => {
                // RFC 7578 4.3: a list may come in as many parts as it has elements.
                let is_element = field.is_list() && !matches!(self.data.trim_ascii(), [b'[', ..] | b"null");
                let read = if is_element { element_json_to_wire } else { field_json_to_wire };
                read(field, &self.data, &options.read, out).map_err(Rejection::Json)?;
            }
            Form::Text => {
                let text = std::str::from_utf8(&self.data)
                    .map_err(|_| Rejection::form(&self.name, "it is not UTF-8"))?;
                text_to_wire(std::slice::from_ref(field), text, &options.read, out)
                    .map_err(|error| Rejection::form(&self.name, error.to_string()))?;
            }
        }
        Ok(())
    }
}

/// Whether a part is a file. One without a name is what a browser sends where none was chosen.
pub(crate) fn is_file(headers: &HeaderMap) -> bool {
    let Some(disposition) = headers.get(header::CONTENT_DISPOSITION) else { return false };
    let named = |name: &[u8]| parameter(disposition.as_bytes(), name).is_some_and(|name| !name.is_empty());
    named(b"filename") || named(b"filename*")
}

/// What multer says is wrong with a body.
pub(crate) fn malformed(error: &Error) -> Rejection {
    if let Error::IncompleteFieldData { .. } | Error::IncompleteHeaders | Error::IncompleteStream = error {
        return Rejection::form("", "it ends before its last boundary, or has none");
    }
    let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
    Rejection::form("", format!("{error}{cause}"))
}
