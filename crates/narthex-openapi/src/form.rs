//! What a form is: a body of `application/x-www-form-urlencoded` or `multipart/form-data`.
//!
//! JSON's schema of the message holds for either where all fields are text. It does not for what is within messages, which an
//! encoded form sets by dotted names, nor for bytes, which a part has as they are. There a form has a schema of its own.

use narthex_protojson::{Behavior, Field, Kind, Message, WellKnown};
use narthex_transcode::{Capture, RequestBody, Route};
use serde_json::{Map, Value, json};

use crate::operation::names;
use crate::schema::Schemas;
use crate::text_fields::{self, TextFields};

const JSON: &str = "application/json";

/// Adds the forms that the route takes to `content`, the JSON of which has the schema `json`.
pub(crate) fn forms(
    route: &Route,
    json: &Value,
    schemas: &mut Schemas<'_>,
    content: &mut Map<String, Value>,
) {
    let Some(message) = route.request_body().form() else { return };
    // In a form that is a field, what the path sets is there too, as it is in JSON.
    let set: Vec<&[Field]> = match route.request_body() {
        RequestBody::Whole(_) => route.captures().iter().map(Capture::fields).collect(),
        _ => Vec::new(),
    };
    let declarations = schemas.declarations;
    let fields: Vec<Field> = message
        .fields()
        .filter(|field| !set.contains(&std::slice::from_ref(field)))
        .filter(|field| !declarations.behaves(field.full_name(), Behavior::OutputOnly))
        .collect();
    let mut form = Form { route, message, fields, schemas };
    if let Some(media) = form.encoded(json, &set) {
        content.insert("application/x-www-form-urlencoded".to_owned(), media);
    }
    content.insert("multipart/form-data".to_owned(), form.parts(json));
}

struct Form<'f, 'a> {
    route: &'f Route,
    message: Message,
    /// Those of the message that a request sets.
    fields: Vec<Field>,
    schemas: &'f mut Schemas<'a>,
}

impl Form<'_, '_> {
    /// `application/x-www-form-urlencoded`, unless there is nothing that it could set.
    fn encoded(&mut self, json: &Value, set: &[&[Field]]) -> Option<Value> {
        if self.fields.iter().all(Field::has_text_form) {
            return Some(json!({"schema": json}));
        }
        let TextFields { paths, is_cut } = TextFields::of(&self.message, set, self.schemas);
        if paths.is_empty() {
            return None;
        }
        let direct = |field: &Field| field.has_text_form() && self.fields.contains(field);
        let mut object = self.schemas.object(&self.message, &direct);
        for path in paths.iter().filter(|path| path.len() > 1) {
            let Some(field) = path.last() else { continue };
            let (name, required) = text_fields::named(path, self.schemas);
            object["properties"][&name] = self.schemas.field(field);
            if required {
                match object["required"].as_array_mut() {
                    Some(all) => all.push(json!(name)),
                    None => object["required"] = json!([name]),
                }
            }
        }
        if is_cut {
            say(&mut object, "More fields may be given than are listed here.");
        }
        Some(json!({"schema": self.named("Form", object)}))
    }

    /// `multipart/form-data`.
    fn parts(&mut self, json: &Value) -> Value {
        let others: Vec<(&Field, Part)> =
            self.fields.iter().filter_map(|field| Some((field, Part::of(field)?))).collect();
        if others.is_empty() {
            return json!({"schema": json});
        }
        let mut object = self.schemas.object(&self.message, &|field| self.fields.contains(field));
        let mut encoding = Map::new();
        for (field, part) in others {
            let name = self.schemas.name(field).to_owned();
            object["properties"][&name] = self.schemas.field_of(field, part.schema());
            if part == Part::Json {
                encoding.insert(name, json!({"contentType": JSON}));
            }
        }
        let mut media = json!({"schema": self.named("Parts", object)});
        if !encoding.is_empty() {
            media["encoding"] = Value::Object(encoding);
        }
        media
    }

    fn named(&mut self, kind: &str, object: Value) -> Value {
        let (service, method) = names(self.route);
        // No message is called so: a service and a message of one name cannot be.
        self.schemas.named(&format!("{service}.{method}.{kind}"), object)
    }
}

/// A part that the schema of its field in JSON does not describe: by its type a part is text, JSON, or, without one, bytes
/// (OpenAPI 3.1, Encoding Object).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// The bytes of the field.
    Bytes,
    /// An HttpBody: bytes, and the part's type.
    File,
    /// JSON of any kind.
    Json,
}

impl Part {
    fn of(field: &Field) -> Option<Self> {
        match field.kind() {
            Kind::Bytes => Some(Self::Bytes),
            Kind::Message(message) if message.is_http_body() => Some(Self::File),
            Kind::Message(message) => match message.well_known()? {
                WellKnown::Value | WellKnown::ListValue => Some(Self::Json),
                _ => None,
            },
            _ => None,
        }
    }

    fn schema(self) -> Value {
        match self {
            Self::Bytes => json!({"contentMediaType": "application/octet-stream"}),
            Self::File => {
                json!({"contentMediaType": "application/octet-stream", "description": "A file, with its media type."})
            }
            Self::Json => json!({"description": "JSON."}),
        }
    }
}

fn say(schema: &mut Value, sentence: &str) {
    let before = schema.get("description").and_then(Value::as_str).map(|text| format!("{text}\n\n"));
    schema["description"] = json!(before.unwrap_or_default() + sentence);
}
