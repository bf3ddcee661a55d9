//! Parameters: the fields that a query may set, and what is said of any parameter.

use narthex_protojson::Field;
use narthex_transcode::{BodyField, Capture, RequestBody, Route};
use serde_json::{Value, json};

use crate::schema::Schemas;
use crate::text_fields::{self, TextFields};

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
    let TextFields { paths, is_cut } = TextFields::of(route.input(), &set, schemas);
    let parameters = paths.iter().map(|path| by_query(path, schemas)).collect();
    Query { parameters, is_cut }
}

/// The parameter that sets the field at the end of `path`.
fn by_query(path: &[Field], schemas: &mut Schemas<'_>) -> Value {
    let (name, required) = text_fields::named(path, schemas);
    let parameter = json!({"name": name, "in": "query"});
    let schema = path.last().map(|field| schemas.field(field)).unwrap_or_default();
    let mut parameter = described(parameter, schema);
    if required {
        parameter["required"] = json!(true);
    }
    parameter
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
