//! The fields of a message that have a text form, by their dotted names: what a query may set, and what a form may.

use narthex_protojson::{Behavior, Field, Kind, Message};

use crate::schema::Schemas;

/// How deep messages within messages are written out; the transcoder itself takes them to any depth.
const MAX_DEPTH: usize = 4;

/// How many fields are looked at: there are as many as the fourth power of what a message has, and descriptors may come from
/// elsewhere.
const MAX_FIELDS: usize = 500;

/// What there is below a message.
pub(crate) struct TextFields {
    /// The way to each.
    pub(crate) paths: Vec<Vec<Field>>,
    /// There are more than a document can hold.
    pub(crate) is_cut: bool,
}

impl TextFields {
    /// All but those that `set` leads to, which are set otherwise, and what only answers have.
    pub(crate) fn of(message: &Message, set: &[&[Field]], schemas: &Schemas<'_>) -> Self {
        let found = Self { paths: Vec::new(), is_cut: false };
        let mut walk = Walk { set, schemas, found, left: MAX_FIELDS };
        walk.message(message, &mut Vec::new());
        walk.found
    }
}

struct Walk<'w, 'a> {
    set: &'w [&'w [Field]],
    schemas: &'w Schemas<'a>,
    found: TextFields,
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
            // Nobody reads it in a request.
            _ if self.schemas.declarations.behaves(field.full_name(), Behavior::OutputOnly) => {}
            _ if field.has_text_form() => self.found.paths.push(path.clone()),
            Kind::Message(message) => {
                let recursive = path.iter().any(|above| above.parent() == message);
                let single = message.well_known().is_none() && !field.is_list() && !field.is_map();
                let has_more = single && !recursive && message.fields().next().is_some();
                if has_more && path.len() < MAX_DEPTH {
                    self.message(&message, path);
                } else {
                    self.found.is_cut |= has_more;
                }
            }
            _ => {}
        }
    }
}

/// The dotted name of a field by the way to it, and whether no request may be without it.
pub(crate) fn named(path: &[Field], schemas: &Schemas<'_>) -> (String, bool) {
    let names: Vec<&str> = path.iter().map(|field| schemas.name(field)).collect();
    let required =
        path.iter().all(|field| schemas.declarations.behaves(field.full_name(), Behavior::Required));
    (names.join("."), required)
}
