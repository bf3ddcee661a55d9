//! google.protobuf.Value, Struct and `ListValue`: any JSON.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::{Reader, Step};
use crate::wire::{WireType, put_bytes, put_tag, put_varint, put_with_len};

/// Writes the contents of a google.protobuf.Value: one member of its oneof.
pub(super) struct ValueSeed<'a> {
    pub(super) reader: &'a Reader<'a>,
    pub(super) out: &'a mut Vec<u8>,
}

impl<'de> DeserializeSeed<'de> for ValueSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ValueSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        put_tag(self.out, 1, WireType::Varint);
        put_varint(self.out, 0);
        Ok(())
    }

    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        put_tag(self.out, 2, WireType::Fixed64);
        self.out.extend_from_slice(&value.to_le_bytes());
        Ok(())
    }

    #[expect(clippy::cast_precision_loss, reason = "a Value's number is a double")]
    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<(), E> {
        self.visit_f64(value as f64)
    }

    #[expect(clippy::cast_precision_loss, reason = "a Value's number is a double")]
    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<(), E> {
        self.visit_f64(value as f64)
    }

    fn visit_str<E>(self, value: &str) -> Result<(), E> {
        put_tag(self.out, 3, WireType::Len);
        put_bytes(self.out, value.as_bytes());
        Ok(())
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        put_tag(self.out, 4, WireType::Varint);
        put_varint(self.out, u64::from(value));
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        let Self { reader, out } = self;
        put_tag(out, 5, WireType::Len);
        reader.nested(|| put_with_len(out, |out| read_struct(reader, map, out)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<(), A::Error> {
        let Self { reader, out } = self;
        put_tag(out, 6, WireType::Len);
        reader.nested(|| put_with_len(out, |out| read_list(reader, seq, out)))
    }
}

/// Writes the contents of a google.protobuf.Struct.
pub(super) fn read_struct<'de, A: MapAccess<'de>>(
    reader: &Reader<'_>,
    mut map: A,
    out: &mut Vec<u8>,
) -> Result<(), A::Error> {
    while let Some(key) = map.next_key::<String>()? {
        put_tag(out, 1, WireType::Len);
        let entry = |out: &mut Vec<u8>| {
            put_tag(out, 1, WireType::Len);
            put_bytes(out, key.as_bytes());
            put_tag(out, 2, WireType::Len);
            let value = |out: &mut Vec<u8>| map.next_value_seed(ValueSeed { reader, out });
            reader.nested(|| put_with_len(out, value))
        };
        reader.nested(|| put_with_len(out, entry)).inspect_err(|_| reader.failed_in(Step::Name(key)))?;
    }
    Ok(())
}

/// Reads an element as a Value, which is only there, and nested, if the list has not ended.
struct ElementSeed<'a> {
    reader: &'a Reader<'a>,
    out: &'a mut Vec<u8>,
}

impl<'de> DeserializeSeed<'de> for ElementSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        let Self { reader, out } = self;
        reader.nested(|| ValueSeed { reader, out }.deserialize(json))
    }
}

/// Writes the contents of a google.protobuf.ListValue.
pub(super) fn read_list<'de, A: SeqAccess<'de>>(
    reader: &Reader<'_>,
    mut seq: A,
    out: &mut Vec<u8>,
) -> Result<(), A::Error> {
    for index in 0.. {
        let before = out.len();
        put_tag(out, 1, WireType::Len);
        let mut more = false;
        let value = |out: &mut Vec<u8>| {
            more = seq.next_element_seed(ElementSeed { reader, out })?.is_some();
            Ok(())
        };
        put_with_len(out, value).inspect_err(|_: &A::Error| reader.failed_in(Step::Index(index)))?;
        if !more {
            out.truncate(before);
            break;
        }
    }
    Ok(())
}
