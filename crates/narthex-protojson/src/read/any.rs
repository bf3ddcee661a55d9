//! google.protobuf.Any: an object whose `@type` says what the other members mean.

use super::Reader;
use super::failure::{Failure, Result, Step};
use super::members::{Name, Seen};
use super::value::Null;
use crate::scalar::Slot;
use crate::table::{MessageId, Type};
use crate::wire::{self, WireType, put_bytes, put_tag};

const TYPE: &str = "@type";
const EMPTY: &str = "google.protobuf.Empty";

impl Reader<'_> {
    /// Writes the contents of an Any.
    ///
    /// Members mean nothing before the type is known, and `@type` may come last: then the object is passed over to find
    /// it, and read again. Usually it comes first.
    pub(super) fn any(&mut self) -> Result<()> {
        let start = self.scan.position();
        let Some((url, at)) = self.type_url()? else { return Ok(()) };
        self.scan.rewind(start);
        let name = url.rsplit_once('/').map(|(_, name)| name);
        let id = name.and_then(|name| self.tables().find(name)).ok_or_else(|| {
            let url = crate::text::quoted(&url);
            Failure::new(at, format!("the type {url} of an Any is not known to this server"))
        })?;
        put_tag(&mut self.out, 1, WireType::Len);
        put_bytes(&mut self.out, url.as_bytes());
        let before = self.out.len();
        put_tag(&mut self.out, 2, WireType::Len);
        let length = wire::open_len(&mut self.out);
        // Parsers get it as bytes, and parse it anew.
        let outer = std::mem::replace(&mut self.depth, 0);
        self.any_members(id, &url)?;
        self.depth = outer;
        if self.out.len() == length {
            self.out.truncate(before);
        } else {
            wire::close_len(&mut self.out, length);
        }
        Ok(())
    }

    /// Passes over the object as far as its `@type`, which it returns with its place; `None` if the object is empty.
    fn type_url(&mut self) -> Result<Option<(String, usize)>> {
        let mut found = None;
        let mut is_empty = true;
        let nesting = self.nesting + 1;
        let start = self.scan.position();
        self.scan.expect(b'{')?;
        let mut more = !self.scan.eat(b'}');
        while more {
            is_empty = false;
            let name = self.scan.string()?.decoded()?;
            self.scan.expect(b':')?;
            if name == TYPE {
                if self.scan.peek() != Some(b'"') {
                    return Err(self.mismatch("type of an Any").within(Step::Name(TYPE.to_owned())));
                }
                let raw = self.scan.string()?;
                found = Some((raw.decoded()?.into_owned(), raw.at - 1));
                break;
            }
            self.scan.skip(nesting)?;
            more = self.scan.another(b'}')?;
        }
        if found.is_none() && !is_empty {
            let message = "an Any needs an \"@type\" such as \"type.googleapis.com/pkg.Message\"";
            return Err(Failure::new(start, message));
        }
        Ok(found)
    }

    /// Reads the other members: the fields of the message, or the `value` of a type with a JSON form of its own.
    fn any_members(&mut self, id: MessageId, url: &str) -> Result<()> {
        let message = self.tables().message(id);
        let mut seen = Seen::of(message);
        let mut has_type = false;
        let mut has_value = false;
        // It is an object of its fields as others are, but there are writers that give it an empty `value`.
        let takes_value = message.known.is_some() || &*message.full_name == EMPTY;
        self.items(b'{', b'}', |reader| {
            reader.scan.peek();
            let at = reader.scan.position();
            // No field is called `@type`, unless its JSON name says so; then the Any's own has precedence.
            let named = match reader.guessed(message, seen.guess) {
                Some(_) => Name::Field(seen.guess),
                None => reader.member_name(message)?,
            };
            let name = match named {
                Name::Field(index)
                    if message.known.is_none() && &*message.fields[index].json_name != TYPE =>
                {
                    return reader.member(message, &message.fields[index], index, at, &mut seen);
                }
                Name::Field(index) => message.fields[index].json_name.to_string(),
                Name::Unknown(name) => name,
            };
            if name == TYPE {
                if std::mem::replace(&mut has_type, true) {
                    return Err(Failure::new(at, "it is given twice").within(Step::Name(name)));
                }
                return reader.scan.skip(reader.nesting);
            }
            if takes_value && name == "value" {
                if std::mem::replace(&mut has_value, true) {
                    return Err(Failure::new(at, "it is given twice").within(Step::Name(name)));
                }
                let value = reader.value(Type::Message(id), Slot::BARE, Null::Refused);
                return value.map(drop).map_err(|failure| failure.within(Step::Name(name)));
            }
            reader.unknown(message, &name, at)
        })?;
        if message.known.is_some() && !has_value {
            return Err(self.failure(format!("an Any of {} needs a \"value\"", crate::text::quoted(url))));
        }
        Ok(())
    }
}
