//! The fields that a query may set.

use narthex_protojson::{Behavior, Field, Kind, Message, WellKnown};
use narthex_transcode::{BodyField, Capture, RequestBody, Route};
use serde_json::{Value, json};

use crate::schema::Schemas;

/// How deep messages within messages are written out as parameters; the transcoder itself takes them to any depth.
const MAX_DEPTH: usize = 4;

/// How many fields of a route are looked at: there are as many as the fourth power of what a message has, and descriptors may come
/// from elsewhere.
const MAX_FIELDS: usize = 500;

/// The query parameters of a route.
#[derive(Default)]
pub(crate) struct Query {
    pub(crate) parameters: Vec<Value>,
    /// There are more than a document can hold.
    pub(crate) is_cut: bool,
}

/// The query parameters of a route: every field that neither its path nor its body sets.
pub(crate) fn query(route: &Route, beside_body: bool, schemas: &mut Schemas<'_>) -> Query {
    let body = match route.request_body() {
        RequestBody::Raw => return Query::default(),
        RequestBody::Whole(_) if !beside_body => return Query::default(),
        RequestBody::None | RequestBody::Whole(_) => None,
        RequestBody::Field(BodyField { parents, field })
        | RequestBody::RawField(BodyField { parents, field }) => {
            Some([parents.as_slice(), std::slice::from_ref(field)].concat())
        }
    };
    let mut set: Vec<&[Field]> = route.captures().iter().map(Capture::fields).collect();
    set.extend(body.as_deref());
    let mut walk = Walk { set, schemas, found: Query::default(), left: MAX_FIELDS };
    walk.message(route.input(), &mut Vec::new());
    walk.found
}

struct Walk<'w, 'a> {
    /// What is set otherwise.
    set: Vec<&'w [Field]>,
    schemas: &'w mut Schemas<'a>,
    found: Query,
    /// How many fields are looked at yet.
    left: usize,
}

impl Walk<'_, '_> {
    fn message(&mut self, message: &Message, path: &mut Vec<Field>) {
        for field in message.fields() {
            if self.left == 0 {
                self.found.is_cut = true;
                return;
            }
            self.left -= 1;
            path.push(field.clone());
            if !self.set.contains(&path.as_slice()) {
                self.field(&field, path);
            }
            path.pop();
        }
    }

    fn field(&mut self, field: &Field, path: &mut Vec<Field>) {
        match field.kind() {
            _ if field.is_map() => {}
            // Nobody reads it in a request.
            _ if self.schemas.declarations.behaves(field.full_name(), Behavior::OutputOnly) => {}
            Kind::Message(message) if !has_text(&message) => {
                let recursive = path.iter().any(|above| above.parent() == message);
                let fields = message.well_known().is_none() && !field.is_list() && !recursive;
                if fields && path.len() < MAX_DEPTH {
                    self.message(&message, path);
                }
            }
            _ => {
                let parameter = self.parameter(field, path);
                self.found.parameters.push(parameter);
            }
        }
    }

    fn parameter(&mut self, field: &Field, path: &[Field]) -> Value {
        let names: Vec<&str> = path.iter().map(|field| self.schemas.name(field)).collect();
        let declared = self.schemas.declarations;
        let required = path.iter().all(|field| declared.behaves(field.full_name(), Behavior::Required));
        let parameter = json!({"name": names.join("."), "in": "query"});
        let mut parameter = described(parameter, self.schemas.field(field));
        if required {
            parameter["required"] = json!(true);
        }
        parameter
    }
}

/// A parameter with the schema of a field: what the declaration says of the field is the parameter's own.
pub(crate) fn described(mut parameter: Value, mut schema: Value) -> Value {
    if let Some(schema) = schema.as_object_mut() {
        for member in ["description", "deprecated"] {
            if let Some(value) = schema.remove(member) {
                parameter[member] = value;
            }
        }
        // Whatever it is in bodies, here it is written.
        schema.remove("readOnly");
        schema.remove("writeOnly");
    }
    parameter["schema"] = schema;
    parameter
}

/// Whether a value can be given as text.
fn has_text(message: &Message) -> bool {
    matches!(
        message.well_known(),
        Some(
            WellKnown::Timestamp
                | WellKnown::Duration
                | WellKnown::FieldMask
                | WellKnown::Wrapper
                | WellKnown::Value
        )
    )
}
