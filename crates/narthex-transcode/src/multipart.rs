//! `multipart/form-data` to the wire of a message: each part is a field.

use std::convert::Infallible;

use bytes::Bytes;
use multer::{Field as Part, Multipart};
use narthex_protojson::{Field, Kind, Message, field_json_to_wire, text_to_wire};
use narthex_wire::envelope;

use crate::bind::nested;
use crate::error::Rejection;
use crate::field_path;
use crate::http_body;
use crate::options::Options;
use crate::route::Route;
use crate::rule::{BodyField, RequestBody};
use crate::wire::put_len;

/// The request message in its envelope: what the parts say, then `tail`.
pub(crate) async fn bind_body(
    route: &Route,
    body: Bytes,
    content_type: &[u8],
    tail: &[u8],
    options: &Options,
) -> Result<Bytes, Rejection> {
    let (kind, parents) = match &route.body {
        RequestBody::Field(BodyField { parents, field }) => match field.kind() {
            Kind::Message(kind) => (kind, [parents, std::slice::from_ref(field)].concat()),
            _ => return Err(refuse("", "this field takes no form")),
        },
        _ => (route.input.clone(), Vec::new()),
    };
    let boundary = boundary(content_type)?;
    let whole = std::future::ready(Ok::<_, Infallible>(body));
    let mut parts = Multipart::new(futures_util::stream::once(whole), boundary);
    let mut out = vec![0; envelope::PREFIX];
    while let Some(part) = parts.next_field().await.map_err(|error| refuse("", &error.to_string()))? {
        let mut wire = Vec::new();
        bind_part(&kind, part, options, &mut wire).await?;
        nested(&parents, &mut out, |out| {
            out.extend_from_slice(&wire);
            Ok(())
        })?;
    }
    out.extend_from_slice(tail);
    Ok(envelope::seal(out))
}

/// RFC 2046 5.1.1.
const LONGEST_BOUNDARY: usize = 70;

/// What stands between the parts of a multipart body of any kind.
pub(crate) fn boundary(content_type: &[u8]) -> Result<String, Rejection> {
    let parameters = content_type.iter().position(|&byte| byte == b';').map(|at| &content_type[at..]);
    let parameters = parameters.and_then(|parameters| std::str::from_utf8(parameters).ok());
    // multer knows one kind; all have the same parameter.
    let form = parameters.map(|parameters| format!("multipart/form-data{parameters}"));
    let boundary = form.and_then(|form| multer::parse_boundary(form).ok());
    let boundary = boundary.ok_or_else(|| refuse("", "the content-type names no boundary"))?;
    // It is looked for with every piece that comes.
    if (1..=LONGEST_BOUNDARY).contains(&boundary.len()) {
        Ok(boundary)
    } else {
        Err(refuse("", "the boundary has to be of 1 to 70 characters"))
    }
}

async fn bind_part(
    kind: &Message,
    part: Part<'_>,
    options: &Options,
    out: &mut Vec<u8>,
) -> Result<(), Rejection> {
    let name = part.name().unwrap_or_default().to_owned();
    let content_type = part.content_type().map(ToString::to_string);
    let data = part.bytes().await.map_err(|error| refuse(&name, &error.to_string()))?;
    let Ok(fields) = field_path::resolve(kind, name.split('.')) else {
        if options.read.ignore_unknown {
            return Ok(());
        }
        return Err(refuse(&name, &format!("{} has no such field", kind.full_name())));
    };
    let (last, parents) = fields.split_last().expect("a field path that resolves is not empty");
    nested(parents, out, |out| bind_value(last, &name, content_type.as_deref(), &data, options, out))
}

fn bind_value(
    field: &Field,
    name: &str,
    content_type: Option<&str>,
    data: &Bytes,
    options: &Options,
    out: &mut Vec<u8>,
) -> Result<(), Rejection> {
    let is_json = content_type.is_some_and(|kind| kind.starts_with("application/json"));
    match field.kind() {
        // A file, or a text box: both are bytes as they are.
        Kind::Bytes if !is_json => put_len(field.number(), data, out),
        Kind::Message(kind) if kind.is_http_body() => {
            http_body::put_field(field.number(), content_type.unwrap_or_default().as_bytes(), data, out);
        }
        _ if is_json => field_json_to_wire(field, data, &options.read, out).map_err(Rejection::Json)?,
        _ => {
            let text = std::str::from_utf8(data).map_err(|_| refuse(name, "it is not UTF-8"))?;
            text_to_wire(std::slice::from_ref(field), text, &options.read, out)
                .map_err(|error| refuse(name, &error.to_string()))?;
        }
    }
    Ok(())
}

pub(crate) fn refuse(name: &str, message: &str) -> Rejection {
    Rejection::Form { name: name.to_owned(), message: message.to_owned() }
}
