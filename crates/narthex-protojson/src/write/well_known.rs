//! The well-known types that are not written as objects of their fields.

use prost_reflect::{DynamicMessage, MapKey, ReflectMessage as _, Value};

use super::Writer;
use crate::error::WriteError;
use crate::wkt::{self, WellKnown};

impl Writer<'_> {
    pub(super) fn well_known(
        &mut self,
        which: WellKnown,
        message: &DynamicMessage,
    ) -> Result<(), WriteError> {
        match which {
            WellKnown::Any => self.any(message),
            WellKnown::Timestamp => {
                let (seconds, nanos) = seconds_nanos(message);
                self.text(wkt::format_timestamp(seconds, nanos), "a Timestamp is out of the years 1 to 9999")
            }
            WellKnown::Duration => {
                let (seconds, nanos) = seconds_nanos(message);
                self.text(wkt::format_duration(seconds, nanos), "a Duration is out of range")
            }
            WellKnown::FieldMask => self.field_mask(message),
            WellKnown::Struct => self.struct_(message),
            WellKnown::Value => self.dynamic(message),
            WellKnown::ListValue => self.list_value(message),
            WellKnown::Wrapper => {
                let field = message
                    .descriptor()
                    .get_field(1)
                    .ok_or_else(|| WriteError::new("a wrapper without a value"))?;
                self.value(&message.get_field(&field), &field.kind())
            }
            WellKnown::Empty => {
                self.raw("{}");
                Ok(())
            }
        }
    }

    fn text(&mut self, text: Option<String>, otherwise: &str) -> Result<(), WriteError> {
        self.string(&text.ok_or_else(|| WriteError::new(otherwise))?);
        Ok(())
    }

    fn any(&mut self, message: &DynamicMessage) -> Result<(), WriteError> {
        let url = message.get_field_by_number(1);
        let url = url.as_deref().and_then(Value::as_str).unwrap_or_default();
        let bytes = message.get_field_by_number(2);
        let bytes: &[u8] = bytes.as_deref().and_then(Value::as_bytes).map_or(&[], |bytes| bytes);
        if url.is_empty() && bytes.is_empty() {
            self.raw("{}");
            return Ok(());
        }
        let descriptor = message.descriptor();
        let name = url.rsplit_once('/').map(|(_, name)| name);
        let inner = name.and_then(|name| descriptor.parent_pool().get_message_by_name(name)).ok_or_else(|| {
            WriteError::new(format!(
                "the type {url:?} of an Any is not known to this server; import the module that declares it"
            ))
        })?;
        let inner = DynamicMessage::decode(inner, bytes)
            .map_err(|error| WriteError::new(format!("an Any holds no {url:?}: {error}")))?;
        self.raw("{\"@type\":");
        self.string(url);
        if WellKnown::of(inner.descriptor().full_name()).is_some() {
            self.raw(",\"value\":");
            self.message(&inner)?;
        } else {
            self.fields(&inner, false)?;
        }
        self.raw("}");
        Ok(())
    }

    fn field_mask(&mut self, message: &DynamicMessage) -> Result<(), WriteError> {
        let paths = message.get_field_by_number(1);
        let mut joined = String::new();
        for path in paths.as_deref().and_then(Value::as_list).unwrap_or_default() {
            let path = path.as_str().unwrap_or_default();
            let json = wkt::mask_path_to_json(path).ok_or_else(|| {
                WriteError::new(format!("the path {path:?} of a FieldMask has no camel-case form"))
            })?;
            if !joined.is_empty() {
                joined.push(',');
            }
            joined.push_str(&json);
        }
        self.string(&joined);
        Ok(())
    }

    fn struct_(&mut self, message: &DynamicMessage) -> Result<(), WriteError> {
        let fields = message.get_field_by_number(1);
        let mut entries: Vec<(&MapKey, &Value)> =
            fields.as_deref().and_then(Value::as_map).map(|map| map.iter().collect()).unwrap_or_default();
        entries.sort_unstable_by_key(|(key, _)| *key);
        self.raw("{");
        let mut first = true;
        for (key, value) in entries {
            self.comma(&mut first);
            self.string(key.as_str().unwrap_or_default());
            self.raw(":");
            match value.as_message() {
                Some(value) => self.dynamic(value)?,
                None => self.raw("null"),
            }
        }
        self.raw("}");
        Ok(())
    }

    fn list_value(&mut self, message: &DynamicMessage) -> Result<(), WriteError> {
        let values = message.get_field_by_number(1);
        self.raw("[");
        let mut first = true;
        for value in values.as_deref().and_then(Value::as_list).unwrap_or_default() {
            self.comma(&mut first);
            match value.as_message() {
                Some(value) => self.dynamic(value)?,
                None => self.raw("null"),
            }
        }
        self.raw("]");
        Ok(())
    }

    /// A google.protobuf.Value; one without a kind is written as null.
    fn dynamic(&mut self, message: &DynamicMessage) -> Result<(), WriteError> {
        let member = message.fields().next();
        match member.as_ref().map(|(field, value)| (field.number(), *value)) {
            Some((2, Value::F64(value))) if value.is_finite() => self.double(*value),
            Some((2, _)) => {
                return Err(WriteError::new("a google.protobuf.Value holds a number that is not finite"));
            }
            Some((3, Value::String(value))) => self.string(value),
            Some((4, Value::Bool(value))) => self.raw(if *value { "true" } else { "false" }),
            Some((5, Value::Message(value))) => return self.struct_(value),
            Some((6, Value::Message(value))) => return self.list_value(value),
            _ => self.raw("null"),
        }
        Ok(())
    }
}

fn seconds_nanos(message: &DynamicMessage) -> (i64, i32) {
    let seconds = message.get_field_by_number(1).as_deref().and_then(Value::as_i64);
    let nanos = message.get_field_by_number(2).as_deref().and_then(Value::as_i32);
    (seconds.unwrap_or_default(), nanos.unwrap_or_default())
}
