//! Handles into the pool: what the transcoder may ask about messages, fields, services and methods.

use std::fmt;
use std::sync::Arc;

use prost_reflect::{FieldDescriptor, MessageDescriptor, MethodDescriptor, ServiceDescriptor};

use crate::http_rule::HttpRule;
use crate::pool::Pool;
use crate::wkt::WellKnown;

/// A message type.
#[derive(Clone, PartialEq, Eq)]
pub struct Message(pub(crate) MessageDescriptor);

/// A field of a message type.
#[derive(Clone, PartialEq, Eq)]
pub struct Field(pub(crate) FieldDescriptor);

/// The type of a field, or of the elements of a repeated field.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names of protobuf's own types")]
pub enum Kind {
    Double,
    Float,
    Int32,
    Int64,
    Uint32,
    Uint64,
    Sint32,
    Sint64,
    Fixed32,
    Fixed64,
    Sfixed32,
    Sfixed64,
    Bool,
    String,
    Bytes,
    Enum,
    Message(Message),
}

/// A service.
#[derive(Clone)]
pub struct Service {
    pub(crate) service: ServiceDescriptor,
    pub(crate) pool: Pool,
}

/// A method of a service.
#[derive(Clone)]
pub struct Method {
    method: MethodDescriptor,
    http_rule: Option<Arc<HttpRule>>,
}

impl Message {
    /// The full name (`shop.v1.Book`).
    pub fn full_name(&self) -> &str {
        self.0.full_name()
    }

    /// The field of this proto name, or else of this JSON name.
    pub fn field(&self, name: &str) -> Option<Field> {
        self.0.get_field_by_name(name).or_else(|| self.0.get_field_by_json_name(name)).map(Field)
    }

    /// The field with this number.
    pub fn field_by_number(&self, number: u32) -> Option<Field> {
        self.0.get_field(number).map(Field)
    }

    /// All fields, by number.
    pub fn fields(&self) -> impl Iterator<Item = Field> + '_ {
        self.0.fields().map(Field)
    }

    /// Which of the types with a JSON form of their own it is, if any.
    pub fn well_known(&self) -> Option<WellKnown> {
        WellKnown::of(self.full_name())
    }

    /// Whether it is `google.api.HttpBody`.
    pub fn is_http_body(&self) -> bool {
        self.full_name() == "google.api.HttpBody"
    }
}

impl Field {
    /// The name in the proto file.
    pub fn name(&self) -> &str {
        self.0.name()
    }

    /// The name in JSON.
    pub fn json_name(&self) -> &str {
        self.0.json_name()
    }

    /// The full name (`shop.v1.Book.title`).
    pub fn full_name(&self) -> &str {
        self.0.full_name()
    }

    /// The field number.
    pub fn number(&self) -> u32 {
        self.0.number()
    }

    /// The type of the field, of its elements if it is repeated.
    pub fn kind(&self) -> Kind {
        Kind::of(&self.0.kind())
    }

    /// Whether it is repeated and no map.
    pub fn is_list(&self) -> bool {
        self.0.is_list()
    }

    /// Whether it is a map.
    pub fn is_map(&self) -> bool {
        self.0.is_map()
    }

    /// Which well-known type it is of, if it is of one.
    pub(crate) fn well_known(&self) -> Option<WellKnown> {
        self.0.kind().as_message().and_then(|message| WellKnown::of(message.full_name()))
    }

    /// The message type that has this field.
    pub fn parent(&self) -> Message {
        Message(self.0.parent_message().clone())
    }
}

impl Kind {
    pub(crate) fn of(kind: &prost_reflect::Kind) -> Self {
        use prost_reflect::Kind as K;
        match kind {
            K::Double => Self::Double,
            K::Float => Self::Float,
            K::Int32 => Self::Int32,
            K::Int64 => Self::Int64,
            K::Uint32 => Self::Uint32,
            K::Uint64 => Self::Uint64,
            K::Sint32 => Self::Sint32,
            K::Sint64 => Self::Sint64,
            K::Fixed32 => Self::Fixed32,
            K::Fixed64 => Self::Fixed64,
            K::Sfixed32 => Self::Sfixed32,
            K::Sfixed64 => Self::Sfixed64,
            K::Bool => Self::Bool,
            K::String => Self::String,
            K::Bytes => Self::Bytes,
            K::Enum(_) => Self::Enum,
            K::Message(message) => Self::Message(Message(message.clone())),
        }
    }
}

impl Service {
    /// The full name (`shop.v1.ShopService`).
    pub fn full_name(&self) -> &str {
        self.service.full_name()
    }

    /// The name of the file it is declared in.
    pub fn file_name(&self) -> String {
        self.service.parent_file().name().to_owned()
    }

    /// The methods, in the order of the file.
    pub fn methods(&self) -> impl Iterator<Item = Method> + '_ {
        self.service.methods().map(|method| {
            let http_rule = self.pool.http_rule(method.full_name()).cloned();
            Method { method, http_rule }
        })
    }
}

impl Method {
    /// The name alone (`GetBook`).
    pub fn name(&self) -> &str {
        self.method.name()
    }

    /// The full name (`shop.v1.ShopService.GetBook`).
    pub fn full_name(&self) -> &str {
        self.method.full_name()
    }

    /// The path it is called at (`/shop.v1.ShopService/GetBook`).
    pub fn path(&self) -> String {
        format!("/{}/{}", self.method.parent_service().full_name(), self.method.name())
    }

    /// The request message.
    pub fn input(&self) -> Message {
        Message(self.method.input())
    }

    /// The response message.
    pub fn output(&self) -> Message {
        Message(self.method.output())
    }

    /// Whether the client sends a stream.
    pub fn is_client_streaming(&self) -> bool {
        self.method.is_client_streaming()
    }

    /// Whether the server answers with a stream.
    pub fn is_server_streaming(&self) -> bool {
        self.method.is_server_streaming()
    }

    /// The google.api.http annotation.
    pub fn http_rule(&self) -> Option<&HttpRule> {
        self.http_rule.as_deref()
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Message({})", self.full_name())
    }
}

impl fmt::Debug for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Field({})", self.full_name())
    }
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Service({})", self.full_name())
    }
}

impl fmt::Debug for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Method({})", self.full_name())
    }
}
