//! Handles into the pool: what the transcoder may ask about messages, fields, services and methods.

use std::fmt;
use std::sync::Arc;

use prost_reflect::prost_types::method_options::IdempotencyLevel;
use prost_reflect::{MethodDescriptor, ServiceDescriptor};

use crate::http_rule::HttpRule;
use crate::pool::Pool;
use crate::table::{FieldTable, MessageId, MessageTable, Shape, Tables, Type};
use crate::wkt::WellKnown;

/// A message type.
#[derive(Clone)]
pub struct Message {
    tables: Arc<Tables>,
    id: MessageId,
}

/// A field of a message type.
#[derive(Clone, PartialEq, Eq)]
pub struct Field {
    parent: Message,
    index: usize,
}

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
    descriptor: MethodDescriptor,
    pool: Pool,
    http_rule: Option<Arc<HttpRule>>,
}

impl Message {
    pub(crate) fn new(tables: Arc<Tables>, id: MessageId) -> Self {
        Self { tables, id }
    }

    /// The full name (`shop.v1.Book`).
    pub fn full_name(&self) -> &str {
        &self.table().full_name
    }

    /// The field of this JSON name, or else of this proto name.
    pub fn field(&self, name: &str) -> Option<Field> {
        self.declared(self.table().index_of_name(name)?)
    }

    /// The field with this number.
    pub fn field_by_number(&self, number: u32) -> Option<Field> {
        self.declared(self.table().index_of_number(number)?)
    }

    /// All fields, by number.
    pub fn fields(&self) -> impl Iterator<Item = Field> + '_ {
        (0..self.table().declared().len()).map(|index| Field { parent: self.clone(), index })
    }

    /// Which of the types with a JSON form of their own it is, if any.
    pub fn well_known(&self) -> Option<WellKnown> {
        self.table().known
    }

    /// Whether it is `google.api.HttpBody`.
    pub fn is_http_body(&self) -> bool {
        self.full_name() == "google.api.HttpBody"
    }

    pub(crate) fn tables(&self) -> &Tables {
        &self.tables
    }

    pub(crate) fn id(&self) -> MessageId {
        self.id
    }

    pub(crate) fn table(&self) -> &MessageTable {
        self.tables.message(self.id)
    }

    /// The field at an index that is no extension's.
    fn declared(&self, index: usize) -> Option<Field> {
        let is_declared = index < self.table().declared().len();
        is_declared.then(|| Field { parent: self.clone(), index })
    }
}

/// The same type of the same pool.
impl PartialEq for Message {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.tables, &other.tables) && self.id == other.id
    }
}

impl Eq for Message {}

impl Field {
    /// The name in the proto file.
    pub fn name(&self) -> &str {
        &self.table().name
    }

    /// The name in JSON.
    pub fn json_name(&self) -> &str {
        &self.table().json_name
    }

    /// The full name (`shop.v1.Book.title`).
    pub fn full_name(&self) -> &str {
        &self.table().full_name
    }

    /// The field number.
    pub fn number(&self) -> u32 {
        self.table().number
    }

    /// The type of the field, of its elements if it is repeated.
    pub fn kind(&self) -> Kind {
        Kind::of(self.table().kind, &self.parent.tables)
    }

    /// The full name of the enum that it holds, if it holds one.
    pub fn enum_name(&self) -> Option<&str> {
        match self.table().kind {
            Type::Enum(id) => Some(&self.tables().enumeration(id).full_name),
            _ => None,
        }
    }

    /// The name of the oneof that it is in; a field that is `optional` is in none.
    pub fn oneof(&self) -> Option<&str> {
        let name = self.parent.table().oneof_name(self.table().oneof?);
        // protoc puts a field that is optional into a oneof of its own, whose name is the field's after an underscore.
        (name.strip_prefix('_') != Some(self.name())).then_some(name)
    }

    /// Whether it is repeated and no map.
    pub fn is_list(&self) -> bool {
        matches!(self.table().shape, Shape::List { .. })
    }

    /// Whether it is a map.
    pub fn is_map(&self) -> bool {
        self.table().shape == Shape::Map
    }

    /// Whether [`text_to_wire`](crate::text_to_wire) can set it, of a list one element: scalars, and messages that may be one in JSON.
    pub fn has_text_form(&self) -> bool {
        match self.kind() {
            Kind::Message(message) => matches!(
                message.well_known(),
                Some(
                    WellKnown::Timestamp
                        | WellKnown::Duration
                        | WellKnown::FieldMask
                        | WellKnown::Wrapper
                        | WellKnown::Value
                )
            ),
            _ => true,
        }
    }

    /// Whether its messages stand between two tags on the wire, as groups do and messages of editions that are `DELIMITED`.
    pub fn is_group(&self) -> bool {
        matches!(self.table().kind, Type::Group(_))
    }

    /// The message type that has this field.
    pub fn parent(&self) -> Message {
        self.parent.clone()
    }

    pub(crate) fn tables(&self) -> &Tables {
        &self.parent.tables
    }

    pub(crate) fn table(&self) -> &FieldTable {
        &self.parent.table().fields[self.index]
    }

    pub(crate) fn parent_table(&self) -> &MessageTable {
        self.parent.table()
    }
}

impl Kind {
    fn of(kind: Type, tables: &Arc<Tables>) -> Self {
        match kind {
            Type::Double => Self::Double,
            Type::Float => Self::Float,
            Type::Int32 => Self::Int32,
            Type::Int64 => Self::Int64,
            Type::Uint32 => Self::Uint32,
            Type::Uint64 => Self::Uint64,
            Type::Sint32 => Self::Sint32,
            Type::Sint64 => Self::Sint64,
            Type::Fixed32 => Self::Fixed32,
            Type::Fixed64 => Self::Fixed64,
            Type::Sfixed32 => Self::Sfixed32,
            Type::Sfixed64 => Self::Sfixed64,
            Type::Bool => Self::Bool,
            Type::String => Self::String,
            Type::Bytes => Self::Bytes,
            Type::Enum(_) => Self::Enum,
            Type::Message(id) | Type::Group(id) => Self::Message(Message::new(Arc::clone(tables), id)),
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
        self.service.methods().map(|descriptor| {
            let http_rule = self.pool.http_rule(descriptor.full_name()).cloned();
            Method { descriptor, pool: self.pool.clone(), http_rule }
        })
    }
}

impl Method {
    /// The name alone (`GetBook`).
    pub fn name(&self) -> &str {
        self.descriptor.name()
    }

    /// The full name (`shop.v1.ShopService.GetBook`).
    pub fn full_name(&self) -> &str {
        self.descriptor.full_name()
    }

    /// The path it is called at (`/shop.v1.ShopService/GetBook`).
    pub fn path(&self) -> String {
        format!("/{}/{}", self.descriptor.parent_service().full_name(), self.descriptor.name())
    }

    /// The request message.
    pub fn input(&self) -> Message {
        self.pool.declared(self.descriptor.input().full_name())
    }

    /// The response message.
    pub fn output(&self) -> Message {
        self.pool.declared(self.descriptor.output().full_name())
    }

    /// Whether the client sends a stream.
    pub fn is_client_streaming(&self) -> bool {
        self.descriptor.is_client_streaming()
    }

    /// Whether the server answers with a stream.
    pub fn is_server_streaming(&self) -> bool {
        self.descriptor.is_server_streaming()
    }

    /// Whether it says that it has no side effects (`idempotency_level = NO_SIDE_EFFECTS`), so that it may be a GET.
    pub fn has_no_side_effects(&self) -> bool {
        let proto = self.descriptor.method_descriptor_proto();
        proto
            .options
            .as_ref()
            .is_some_and(|options| options.idempotency_level() == IdempotencyLevel::NoSideEffects)
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
