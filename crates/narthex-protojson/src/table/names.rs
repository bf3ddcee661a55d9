//! From the names in a JSON object to the fields of a message.

use std::collections::HashMap;

use rustc_hash::FxBuildHasher;

use super::{FieldTable, Shape};

/// The names of a message's fields. They are the schema's, so nobody can choose them to collide.
#[derive(Debug)]
pub(super) struct Names {
    indices: HashMap<Box<str>, u32, FxBuildHasher>,
}

impl Names {
    /// Where two fields claim a name, its JSON name wins over a proto name, and the first field over those after it.
    pub(super) fn new(fields: &[FieldTable], declared: usize) -> Self {
        let mut indices = HashMap::with_capacity_and_hasher(2 * fields.len(), FxBuildHasher);
        let json = fields.iter().map(|field| &field.json_name);
        let proto = fields[..declared].iter().map(|field| &field.name);
        for (index, name) in (0..).zip(json).chain((0..).zip(proto)) {
            indices.entry(name.clone()).or_insert(index);
        }
        Self { indices }
    }

    pub(super) fn find(&self, name: &str) -> Option<usize> {
        self.indices.get(name).map(|index| *index as usize)
    }
}

impl FieldTable {
    /// If `text` begins with its JSON name, a quotation mark and a colon: how long they are. The quick way to know a
    /// member's name, for what writes JSON without spaces.
    #[inline]
    pub(crate) fn named_by(&self, text: &[u8]) -> Option<usize> {
        let name = &self.json_key[1..];
        // Mostly the first letter says already that it is another one.
        (text.first() == name.first() && text.starts_with(name)).then_some(name.len())
    }

    /// What it is called in errors.
    pub(crate) fn described(&self, of: &str) -> String {
        match self.shape {
            Shape::One => of.to_owned(),
            Shape::List { .. } => format!("list of {of}"),
            Shape::Map => "map".to_owned(),
        }
    }
}
