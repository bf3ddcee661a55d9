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

/// How a text begins: at most eight bytes in a word, the first being the lowest, and a mask of those that there are.
#[derive(Debug)]
pub(crate) struct Start {
    word: u64,
    mask: u64,
}

impl Start {
    pub(super) fn of(text: &[u8]) -> Self {
        let of = |byte: fn(u8) -> u8| {
            text.iter().take(8).rev().fold(0, |word, next| word << 8 | u64::from(byte(*next)))
        };
        Self { word: of(|byte| byte), mask: of(|_| 0xff) }
    }
}

impl FieldTable {
    /// If `text` begins with its JSON name in quotation marks and a colon: how long they are. The quick way to know a
    /// member's name, for what writes JSON without spaces.
    #[inline]
    pub(crate) fn named_by(&self, text: &[u8]) -> Option<usize> {
        let name = &self.json_key;
        let word = u64::from_le_bytes(*text.first_chunk()?);
        // The first bytes are compared at once; mostly that is all of it, or says already that it is another one.
        let starts = word & self.json_start.mask == self.json_start.word;
        (starts && (name.len() <= 8 || text.starts_with(name))).then_some(name.len())
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
