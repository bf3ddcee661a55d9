//! google.protobuf.Any: an object whose `@type` says what the other members mean.

use serde::de::value::MapDeserializer;
use serde::de::{Error as _, IgnoredAny, MapAccess};

use super::{Null, OneSeed, Reader, Step, fields};
use crate::scalar::Target;
use crate::wire::{WireType, put_bytes, put_tag, put_with_len};
use crate::wkt::WellKnown;

/// Writes the contents of an Any.
///
/// Members before `@type` cannot be read until the type is known, so they and all that follow are kept; usually
/// `@type` comes first and nothing is.
pub(super) fn read_any<'de, A: MapAccess<'de>>(
    reader: &Reader<'_>,
    mut map: A,
    out: &mut Vec<u8>,
) -> Result<(), A::Error> {
    let Some(first) = map.next_key::<String>()? else { return Ok(()) };
    if first == "@type" {
        let url: String = map.next_value()?;
        return read_typed(reader, &url, map, out);
    }
    let mut kept = vec![(first, map.next_value::<serde_json::Value>()?)];
    while let Some(entry) = map.next_entry()? {
        kept.push(entry);
    }
    let Some(at) = kept.iter().position(|(key, _)| key == "@type") else {
        return Err(A::Error::custom(
            "an Any needs an \"@type\" such as \"type.googleapis.com/pkg.Message\"",
        ));
    };
    let (_, url) = kept.remove(at);
    let url = url.as_str().ok_or_else(|| A::Error::custom("\"@type\" is a string"))?;
    let rest = MapDeserializer::<_, serde_json::Error>::new(kept.into_iter());
    read_typed(reader, url, rest, out).map_err(A::Error::custom)
}

fn read_typed<'de, A: MapAccess<'de>>(
    reader: &Reader<'_>,
    url: &str,
    mut map: A,
    out: &mut Vec<u8>,
) -> Result<(), A::Error> {
    let name = url.rsplit_once('/').map(|(_, name)| name);
    let message = name
        .and_then(|name| reader.pool.get_message_by_name(name))
        .ok_or_else(|| A::Error::custom(format!("the type {url:?} of an Any is not known to this server")))?;
    put_tag(out, 1, WireType::Len);
    put_bytes(out, url.as_bytes());
    put_tag(out, 2, WireType::Len);
    let value = |out: &mut Vec<u8>| {
        if WellKnown::of(message.full_name()).is_none() {
            return fields::read_fields(reader, &message, map, out);
        }
        let target = Target::new(prost_reflect::Kind::Message(message.clone()), None);
        let mut seen = false;
        while let Some(key) = map.next_key::<String>()? {
            if key == "value" && !seen {
                seen = true;
                map.next_value_seed(OneSeed { reader, target: &target, null: Null::Refused, out })
                    .inspect_err(|_| reader.failed_in(Step::Name(key)))?;
            } else if reader.options.ignore_unknown && key != "value" {
                map.next_value::<IgnoredAny>()?;
            } else {
                return Err(A::Error::custom(format!(
                    "an Any of {url:?} has no field {key:?}, or has it twice"
                )));
            }
        }
        if seen { Ok(()) } else { Err(A::Error::custom(format!("an Any of {url:?} needs a \"value\""))) }
    };
    reader.unnested(|| put_with_len(out, value))
}
