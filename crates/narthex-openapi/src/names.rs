//! What the segments of resource names are called: as `google.api.resource` says, or after the collection before them.

use narthex_protojson::Declarations;
use rustc_hash::FxHashMap;

/// The names of variables in the patterns of resources.
pub(crate) struct ResourceNames {
    /// By what comes before and the segment itself, with `*` for variables: `projects/*/topics/*` is a `topic`.
    of: FxHashMap<String, String>,
}

impl ResourceNames {
    pub(crate) fn new(declarations: &Declarations) -> Self {
        let mut of = FxHashMap::default();
        for pattern in declarations.resource_patterns() {
            let mut shape = String::new();
            for segment in pattern.split('/') {
                let variable = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
                let name = variable.map(|variable| variable.split('=').next().unwrap_or(variable));
                push(&mut shape, if name.is_some() { "*" } else { segment });
                if let Some(name) = name.filter(|name| is_identifier(name)) {
                    of.entry(shape.clone()).or_insert_with(|| name.to_owned());
                }
            }
        }
        Self { of }
    }

    /// The name of the last of these segments, in which each wildcard is a `*`.
    pub(crate) fn find(&self, segments: &[&str]) -> String {
        let mut shape = String::new();
        for segment in segments {
            push(&mut shape, segment);
        }
        let collection = || segments.iter().rev().nth(1).filter(|before| **before != "*");
        let known = self.of.get(&shape).cloned();
        known.or_else(|| collection().map(|before| singular(before))).unwrap_or_else(|| "segment".to_owned())
    }
}

fn push(shape: &mut String, segment: &str) {
    if !shape.is_empty() {
        shape.push('/');
    }
    shape.push_str(segment);
}

fn is_identifier(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// One of a collection, as English mostly has it, in letters that a parameter's name may have.
fn singular(collection: &str) -> String {
    let name: String = collection.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    for (plural, one) in [
        ("series", "series"),
        ("ies", "y"),
        ("lves", "lf"),
        ("sses", "ss"),
        ("xes", "x"),
        ("ches", "ch"),
        ("shes", "sh"),
    ] {
        if let Some(stem) = name.strip_suffix(plural) {
            return format!("{stem}{one}");
        }
    }
    match name.strip_suffix('s') {
        Some(stem) if !stem.is_empty() && !stem.ends_with(['s', 'u', 'i']) => stem.to_owned(),
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_a_collection() {
        for (plural, one) in [
            ("books", "book"),
            ("shelves", "shelf"),
            ("policies", "policy"),
            ("addresses", "address"),
            ("indexes", "index"),
            ("databases", "database"),
            ("status", "status"),
            ("time-series", "time_series"),
            ("v1", "v1"),
            ("s", "s"),
        ] {
            assert_eq!(singular(plural), one);
        }
    }
}
