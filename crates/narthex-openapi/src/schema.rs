//! Messages and fields to JSON Schema, as ProtoJSON writes them.

use narthex_protojson::{Behavior, Declarations, Field, Kind, Message, WellKnown, WriteOptions};
use serde_json::{Map, Value, json};

use crate::comment;

/// What may not be set together is as much as the square of a oneof, and descriptors may come from elsewhere: of larger ones the
/// description tells alone.
const MAX_ONEOF: usize = 8;

/// The schemas that a document refers to, made as they are asked for.
pub(crate) struct Schemas<'a> {
    pub(crate) declarations: &'a Declarations,
    pub(crate) write: WriteOptions,
    made: Map<String, Value>,
    /// Messages that are referred to and not made yet.
    wanted: Vec<Message>,
}

impl<'a> Schemas<'a> {
    pub(crate) fn new(declarations: &'a Declarations, write: WriteOptions) -> Self {
        Self { declarations, write, made: Map::new(), wanted: Vec::new() }
    }

    /// All that were referred to, and what these refer to.
    pub(crate) fn finish(mut self) -> Map<String, Value> {
        while let Some(message) = self.wanted.pop() {
            let schema = self.object(&message, &|_| true);
            self.made.insert(message.full_name().to_owned(), schema);
        }
        self.made.sort_keys();
        self.made
    }

    /// A schema that no message has, by this name, or with a number where another has that.
    pub(crate) fn named(&mut self, name: &str, schema: Value) -> Value {
        let numbered = (2..).map(|number| format!("{name}{number}"));
        let mut names = std::iter::once(name.to_owned()).chain(numbered);
        let is_free = |name: &String| self.made.get(name).is_none_or(|made| *made == schema);
        let name = names.find(is_free).unwrap_or_else(|| name.to_owned());
        let reference = reference(&name);
        self.made.insert(name, schema);
        reference
    }

    /// A message wherever it stands.
    pub(crate) fn message(&mut self, message: &Message) -> Value {
        let Some(known) = message.well_known() else { return self.reference(message) };
        match known {
            WellKnown::Any => json!({
                "type": "object",
                "properties": {"@type": {"type": "string", "description": "The URL of the message's type."}},
                "required": ["@type"],
                "additionalProperties": true,
            }),
            WellKnown::Timestamp => json!({"type": "string", "format": "date-time"}),
            WellKnown::Duration => json!({
                "type": "string", "pattern": r"^-?[0-9]+(\.[0-9]{1,9})?s$", "description": "Seconds, as in 1.5s.",
            }),
            WellKnown::FieldMask => json!({
                "type": "string", "description": "Names of fields, separated by commas, as in title,author.name.",
            }),
            WellKnown::Struct => json!({"type": "object", "additionalProperties": true}),
            WellKnown::Value => json!({"description": "Any JSON value."}),
            WellKnown::ListValue => json!({"type": "array", "items": {}}),
            WellKnown::Wrapper => {
                let value = message.field_by_number(1).map(|value| self.single(&value)).unwrap_or_default();
                nullable(value)
            }
        }
    }

    /// A field with what its declaration says of it.
    pub(crate) fn field(&mut self, field: &Field) -> Value {
        let value = if field.is_map() {
            entry_value(field).map(|value| self.single(&value)).unwrap_or_default()
        } else {
            self.single(field)
        };
        self.field_of(field, value)
    }

    /// The same, where the schema of one value is another one.
    pub(crate) fn field_of(&self, field: &Field, value: Value) -> Value {
        let mut schema = if field.is_map() {
            json!({"type": "object", "additionalProperties": value})
        } else if field.is_list() {
            json!({"type": "array", "items": value})
        } else {
            value
        };
        let name = field.full_name();
        let is_fixed = self.declarations.behaves(name, Behavior::Immutable);
        let fixed = is_fixed.then(|| "Once it is set, it cannot be changed.".to_owned());
        let text: Vec<String> = self.comment(name).into_iter().chain(fixed).collect();
        if !text.is_empty() {
            schema["description"] = json!(text.join("\n\n"));
        }
        for (member, holds) in [
            ("readOnly", self.declarations.behaves(name, Behavior::OutputOnly)),
            ("writeOnly", self.declarations.behaves(name, Behavior::InputOnly)),
            ("deprecated", self.declarations.is_deprecated(name)),
        ] {
            if holds {
                schema[member] = json!(true);
            }
        }
        schema
    }

    /// A message's own object, of the fields that `has` takes.
    pub(crate) fn object(&mut self, message: &Message, has: &dyn Fn(&Field) -> bool) -> Value {
        let mut properties = Map::new();
        let mut required = Vec::new();
        let mut oneofs: Vec<(String, Vec<String>)> = Vec::new();
        for field in message.fields().filter(has) {
            let name = self.name(&field).to_owned();
            if self.declarations.behaves(field.full_name(), Behavior::Required) {
                required.push(name.clone());
            }
            if let Some(oneof) = field.oneof() {
                match oneofs.iter_mut().find(|(known, _)| known == oneof) {
                    Some((_, names)) => names.push(name.clone()),
                    None => oneofs.push((oneof.to_owned(), vec![name.clone()])),
                }
            }
            properties.insert(name, self.field(&field));
        }
        let mut schema = json!({"type": "object", "properties": properties});
        if !required.is_empty() {
            schema["required"] = json!(required);
        }
        oneofs.retain(|(_, names)| names.len() > 1);
        if let Some(together) = together(&oneofs) {
            schema["not"] = together;
        }
        let said = self.comment(message.full_name());
        let alone = oneofs.iter().map(|(_, names)| format!("At most one of {} is set.", names.join(", ")));
        let text: Vec<String> = said.into_iter().chain(alone).collect();
        if !text.is_empty() {
            schema["description"] = json!(text.join("\n\n"));
        }
        if self.declarations.is_deprecated(message.full_name()) {
            schema["deprecated"] = json!(true);
        }
        schema
    }

    /// What the comment of a declaration tells readers of the document.
    pub(crate) fn comment(&self, full_name: &str) -> Option<String> {
        self.declarations.comment(full_name).and_then(comment::description)
    }

    /// What answers call a field.
    pub(crate) fn name<'f>(&self, field: &'f Field) -> &'f str {
        if self.write.proto_names { field.name() } else { field.json_name() }
    }

    /// One value of a field.
    pub(crate) fn single(&mut self, field: &Field) -> Value {
        match field.kind() {
            Kind::Double => float("double"),
            Kind::Float => float("float"),
            Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => json!({"type": "integer", "format": "int32"}),
            Kind::Uint32 | Kind::Fixed32 => {
                json!({"type": "integer", "format": "uint32", "minimum": 0, "maximum": u32::MAX})
            }
            // As text, since JavaScript's numbers cannot hold them all.
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => {
                json!({"type": "string", "format": "int64", "pattern": "^-?[0-9]+$"})
            }
            Kind::Uint64 | Kind::Fixed64 => {
                json!({"type": "string", "format": "uint64", "pattern": "^[0-9]+$"})
            }
            Kind::Bool => json!({"type": "boolean"}),
            Kind::String => json!({"type": "string"}),
            Kind::Bytes => json!({"type": "string", "contentEncoding": "base64"}),
            Kind::Enum => self.enumeration(field.enum_name().unwrap_or_default()),
            Kind::Message(message) => self.message(&message),
        }
    }

    fn enumeration(&mut self, name: &str) -> Value {
        if name == "google.protobuf.NullValue" {
            return json!({"type": "null"});
        }
        if !self.made.contains_key(name) {
            let values = self.declarations.values(name);
            let mut schema = if self.write.enums_as_ints {
                let mut numbers: Vec<i32> = values.iter().map(|(_, number)| *number).collect();
                numbers.sort_unstable();
                numbers.dedup();
                json!({"type": "integer", "format": "int32", "enum": numbers})
            } else {
                let names: Vec<&str> = values.iter().map(|(name, _)| name.as_str()).collect();
                json!({"type": "string", "enum": names})
            };
            let of_value = |(value, number): &(String, i32)| match self.comment(&format!("{name}.{value}")) {
                Some(comment) => Some(format!("- {value} ({number}): {}", comment.replace('\n', " "))),
                // A number alone tells nobody what it stands for.
                None => self.write.enums_as_ints.then(|| format!("- {value} ({number})")),
            };
            let of_values: Vec<String> = values.iter().filter_map(of_value).collect();
            let of_values = (!of_values.is_empty()).then(|| of_values.join("\n"));
            let text: Vec<String> = self.comment(name).into_iter().chain(of_values).collect();
            if !text.is_empty() {
                schema["description"] = json!(text.join("\n\n"));
            }
            self.made.insert(name.to_owned(), schema);
        }
        reference(name)
    }

    fn reference(&mut self, message: &Message) -> Value {
        let name = message.full_name();
        if !self.made.contains_key(name) {
            // Its place is kept, since it may refer to itself.
            self.made.insert(name.to_owned(), Value::Null);
            self.wanted.push(message.clone());
        }
        reference(name)
    }
}

fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

/// What no message is: one with two fields of a oneof. As `oneOf` it would be a type of its own for each of them to those who
/// generate clients; of `not` they make nothing, and validators keep it.
fn together(oneofs: &[(String, Vec<String>)]) -> Option<Value> {
    let small = oneofs.iter().map(|(_, names)| names).filter(|names| names.len() <= MAX_ONEOF);
    let pairs = small.flat_map(|names| {
        let behind = |at: usize| names[at + 1..].iter();
        names
            .iter()
            .enumerate()
            .flat_map(move |(at, one)| behind(at).map(move |other| json!({"required": [one, other]})))
    });
    let mut pairs: Vec<Value> = pairs.collect();
    match pairs.len() {
        0 | 1 => pairs.pop(),
        _ => Some(json!({"anyOf": pairs})),
    }
}

/// The field that holds the values of a map.
fn entry_value(map: &Field) -> Option<Field> {
    match map.kind() {
        Kind::Message(entry) => entry.field_by_number(2),
        _ => None,
    }
}

/// JSON has no numbers for these three.
fn float(format: &str) -> Value {
    json!({"anyOf": [
        {"type": "number", "format": format},
        {"type": "string", "enum": ["NaN", "Infinity", "-Infinity"]},
    ]})
}

fn nullable(mut schema: Value) -> Value {
    if let Some(kind) = schema.get("type").cloned() {
        schema["type"] = json!([kind, "null"]);
        return schema;
    }
    json!({"anyOf": [schema, {"type": "null"}]})
}
