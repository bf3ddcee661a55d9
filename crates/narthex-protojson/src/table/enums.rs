//! Enum types: names to numbers and back.

use std::collections::HashMap;

use rustc_hash::FxBuildHasher;

use crate::text;

/// An enum type.
#[derive(Debug)]
pub(crate) struct EnumTable {
    pub(crate) full_name: Box<str>,
    /// Its numbers nobody declared are unknown fields (proto2's enums) instead of values (proto3's).
    closed: bool,
    /// It is google.protobuf.NullValue, whose JSON is `null`.
    pub(crate) is_null: bool,
    by_name: HashMap<Box<[u8]>, i32, FxBuildHasher>,
    /// The same in lower case; where that makes two names one, the first declared has it.
    by_lower_name: HashMap<Box<str>, i32, FxBuildHasher>,
    /// By number; names are quoted, ready to be written. Of several names of one number the first declared counts.
    by_number: Box<[(i32, Box<[u8]>)]>,
}

impl EnumTable {
    pub(super) fn new<'a>(
        full_name: &str,
        closed: bool,
        values: impl Iterator<Item = (&'a str, i32)> + Clone,
    ) -> Self {
        let mut by_lower_name: HashMap<Box<str>, i32, FxBuildHasher> = HashMap::default();
        let mut by_number: Vec<(i32, Box<[u8]>)> = Vec::new();
        for (name, number) in values.clone() {
            by_lower_name.entry(folded(name).into()).or_insert(number);
            let mut quoted = Vec::new();
            text::put_string(name, &mut quoted);
            by_number.push((number, quoted.into()));
        }
        by_number.sort_by_key(|(number, _)| *number);
        by_number.dedup_by_key(|(number, _)| *number);
        Self {
            full_name: full_name.into(),
            closed,
            is_null: full_name == "google.protobuf.NullValue",
            by_name: values.map(|(name, number)| (name.as_bytes().into(), number)).collect(),
            by_lower_name,
            by_number: by_number.into(),
        }
    }

    #[inline]
    pub(crate) fn number(&self, name: &[u8]) -> Option<i32> {
        self.by_name.get(name).copied()
    }

    /// As [`EnumTable::number`], but `dark-red` finds `DARK_RED`.
    pub(crate) fn number_in_any_case(&self, name: &str) -> Option<i32> {
        self.number(name.as_bytes()).or_else(|| self.by_lower_name.get(folded(name).as_str()).copied())
    }

    /// Whether a number on the wire is an unknown field.
    pub(super) fn is_undeclared(&self, bits: u64) -> bool {
        self.closed && self.quoted_name(crate::wire::low(bits).cast_signed()).is_none()
    }

    /// The name of a number in quotation marks.
    pub(crate) fn quoted_name(&self, number: i32) -> Option<&[u8]> {
        let (first, _) = self.by_number.first()?;
        // Numbers mostly follow each other without gaps.
        let guess = usize::try_from(i64::from(number) - i64::from(*first)).ok()?;
        match self.by_number.get(guess) {
            Some((found, name)) if *found == number => Some(name),
            _ => {
                let at = self.by_number.binary_search_by_key(&number, |(number, _)| *number).ok()?;
                Some(&self.by_number[at].1)
            }
        }
    }
}

fn folded(name: &str) -> String {
    name.to_ascii_lowercase().replace('-', "_")
}
