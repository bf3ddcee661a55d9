//! One route as an operation.

use narthex_protojson::{Behavior, Field, Kind, Message};
use narthex_transcode::{BodyField, Options, RequestBody, ResponseBody, Route, StreamFormat};
use serde_json::{Map, Value, json};

use crate::comment;
use crate::form;
use crate::parameter::{self, described};
use crate::path::Path;
use crate::schema::Schemas;

/// `itemSchema` of OpenAPI 3.2 in 3.1 (<https://spec.openapis.org/registry/namespace/oai.html>).
const ITEM_SCHEMA: &str = "x-oai-itemSchema";

/// The operation of a route at `path`; `status` is the schema of errors.
pub(crate) fn operation(
    route: &Route,
    path: &Path,
    options: &Options,
    status: &Value,
    schemas: &mut Schemas<'_>,
) -> Value {
    let (service, method) = names(route);
    // The id is of each place that the operation has; this is where it stands.
    let mut operation = json!({"operationId": "", "tags": [service]});
    let full_name = format!("{service}.{method}");
    let mut description = Vec::new();
    let comment = schemas.comment(&full_name);
    if let Some(comment) = &comment {
        let (summary, rest) = comment::summary(comment);
        if let Some(summary) = summary {
            operation["summary"] = json!(summary);
        }
        description.extend((!rest.is_empty()).then_some(rest));
    }
    if [full_name.as_str(), service].into_iter().any(|name| schemas.declarations.is_deprecated(name)) {
        operation["deprecated"] = json!(true);
    }
    let mut parameters = path_parameters(route, path, schemas);
    let query = parameter::query(route, options.query_beside_body, schemas);
    parameters.extend(query.parameters);
    if query.is_cut {
        description.push("More fields of the request may be given as query parameters than are listed here.");
    }
    if !description.is_empty() {
        operation["description"] = json!(description.join("\n\n"));
    }
    if !parameters.is_empty() {
        operation["parameters"] = Value::Array(parameters);
    }
    if let Some(body) = request_body(route, schemas) {
        operation["requestBody"] = body;
    }
    operation["responses"] = json!({
        "200": response(route, schemas),
        "default": {
            "description": "An error: its code, a message, and details that are for programs.",
            "content": {"application/json": {"schema": status}},
        },
    });
    operation
}

/// The service and the method of a route.
pub(crate) fn names(route: &Route) -> (&str, &str) {
    let path = route.target().path();
    path.trim_start_matches('/').split_once('/').unwrap_or((path, ""))
}

fn path_parameters(route: &Route, path: &Path, schemas: &mut Schemas<'_>) -> Vec<Value> {
    let of = |parameter: &crate::path::Parameter| {
        let field = parameter.variable.and_then(|at| route.captures()[at].fields().last());
        let schema = field.map_or_else(|| json!({"type": "string"}), |field| schemas.field(field));
        let mut given = described(json!({"name": parameter.name, "in": "path", "required": true}), schema);
        let comment = given.get("description").and_then(Value::as_str).map(str::to_owned);
        let text: Vec<String> = comment.into_iter().chain(parameter.description.clone()).collect();
        if !text.is_empty() {
            given["description"] = json!(text.join("\n\n"));
        }
        given
    };
    path.parameters.iter().map(of).collect()
}

fn request_body(route: &Route, schemas: &mut Schemas<'_>) -> Option<Value> {
    let (mut schema, required) = match route.request_body() {
        RequestBody::None => return None,
        RequestBody::Raw | RequestBody::RawField(_) => {
            return Some(json!({"description": "The bytes as they are.", "content": {"*/*": {}}}));
        }
        RequestBody::Whole(message) => {
            let required = message.fields().any(|field| {
                !is_captured(route, &field)
                    && schemas.declarations.behaves(field.full_name(), Behavior::Required)
            });
            (whole(route, message, schemas), required)
        }
        RequestBody::Field(BodyField { field, .. }) => {
            let required = schemas.declarations.behaves(field.full_name(), Behavior::Required);
            (schemas.field(field), required)
        }
    };
    // It is the body's own, where the schema is that of a field.
    let description = match route.request_body() {
        RequestBody::Field(_) => schema.as_object_mut().and_then(|schema| schema.remove("description")),
        _ => None,
    };
    let mut content = Map::new();
    if route.client_streams() {
        streams(
            &schema,
            &[StreamFormat::Array, StreamFormat::NewlineDelimited, StreamFormat::Sequence],
            &mut content,
        );
        content.insert(
            "multipart/mixed".to_owned(),
            json!({"schema": {"type": "string", "description": "A message a part."}}),
        );
        let parts = "A message a part, in their order and whatever their names.";
        content.insert(
            "multipart/form-data".to_owned(),
            json!({"schema": {"type": "object", "description": parts, "additionalProperties": schema}}),
        );
    } else {
        content.insert("application/json".to_owned(), json!({"schema": schema}));
        form::forms(route, &schema, schemas, &mut content);
        if let RequestBody::Field(BodyField { field, .. }) = route.request_body()
            && matches!(field.kind(), Kind::Bytes)
            && !field.is_list()
        {
            content.insert("application/octet-stream".to_owned(), json!({}));
        }
    }
    let mut body = description.map_or_else(|| json!({}), |description| json!({"description": description}));
    body["content"] = Value::Object(content);
    if required {
        body["required"] = json!(true);
    }
    Some(body)
}

/// The request message without the fields that the path sets, as a schema of its own if there are any.
fn whole(route: &Route, message: &Message, schemas: &mut Schemas<'_>) -> Value {
    if message.well_known().is_some() || !message.fields().any(|field| is_captured(route, &field)) {
        return schemas.message(message);
    }
    let declarations = schemas.declarations;
    let object = schemas.object(message, &|field| {
        !is_captured(route, field) && !declarations.behaves(field.full_name(), Behavior::OutputOnly)
    });
    let (service, method) = names(route);
    // No message is called so: a service and a message of one name cannot be.
    schemas.named(&format!("{service}.{method}.Body"), object)
}

fn is_captured(route: &Route, field: &Field) -> bool {
    route.captures().iter().any(|capture| capture.fields() == std::slice::from_ref(field))
}

fn response(route: &Route, schemas: &mut Schemas<'_>) -> Value {
    let schema = match route.response_body() {
        ResponseBody::Raw | ResponseBody::RawField(_) => {
            return json!({"description": "Bytes of any media type.", "content": {"*/*": {}}});
        }
        ResponseBody::Whole(message) => schemas.message(message),
        ResponseBody::Field(field) => schemas.field(field),
    };
    let mut content = Map::new();
    if route.server_streams() {
        streams(&schema, &StreamFormat::ALL, &mut content);
        return json!({"description": "A stream of messages, in the form that Accept asks for.", "content": content});
    }
    content.insert("application/json".to_owned(), json!({"schema": schema}));
    json!({"description": "The answer.", "content": content})
}

/// A stream in these forms. OpenAPI 3.1 has no word for what an item of a text is: its schema is that of the text's content, and
/// who knows `itemSchema` of OpenAPI 3.2 finds it by the name that is registered for it in 3.1.
fn streams(item: &Value, formats: &[StreamFormat], content: &mut Map<String, Value>) {
    for format in formats {
        let text = |description: &str| {
            json!({
                "type": "string", "description": description,
                "contentMediaType": "application/json", "contentSchema": item,
            })
        };
        let media = match format {
            StreamFormat::Array => json!({"schema": {"type": "array", "items": item}}),
            StreamFormat::NewlineDelimited => {
                json!({"schema": text("A message a line."), ITEM_SCHEMA: item})
            }
            StreamFormat::Sequence => {
                json!({"schema": text("A message after each record separator (RFC 7464)."), ITEM_SCHEMA: item})
            }
            StreamFormat::ServerSentEvents => json!({
                "schema": text("A message as the data of each event; an event `error` is a google.rpc.Status."),
                ITEM_SCHEMA: {
                    "type": "object",
                    "properties": {"event": {"type": "string"}, "data": text("A message.")},
                    "required": ["data"],
                },
            }),
        };
        content.insert(format.media_type().to_owned(), media);
    }
}
