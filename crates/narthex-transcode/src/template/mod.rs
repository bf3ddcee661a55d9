//! Path templates of google.api.http (`/v1/{name=shelves/*}/books:list`).
//!
//! What http.proto's grammar says, and the rules that its text adds: `**` comes last, a variable holds no other one and
//! is named once. *Not* the matching of paths: that is `route`'s.

mod fmt;
mod parse;

pub use parse::ParseError;

/// Whose rules templates, and the rules they are in, follow.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Dialect {
    /// google/api/http.proto's.
    #[default]
    Specification,
    /// Envoy's: text may follow `**`, `*` matches an empty segment, and `body` may be a path of fields.
    Envoy,
}

/// A parsed path template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// The segments with the variables' own segments in their places.
    pub segments: Vec<Segment>,
    /// The variables, in the order of the text.
    pub variables: Vec<Variable>,
    /// What follows the last `:`.
    pub verb: Option<String>,
}

/// What one segment of a path has to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment {
    /// Exactly this text, percent-encoded as in the template.
    Literal(String),
    /// `*`: any one segment that is not empty.
    Any,
    /// `**`: all segments that are left for it; none will do where it comes last, as it does in http.proto's templates.
    Rest,
}

/// A part of the path that becomes the value of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    /// The names of the fields that lead to the value (`book.id`).
    pub field_path: Vec<String>,
    /// Index of its first segment.
    pub start: usize,
    /// Index after its last segment.
    pub end: usize,
}

impl Template {
    /// Whether the variable can span more than one segment; then an escaped slash in it stays escaped.
    pub fn is_multi(&self, variable: &Variable) -> bool {
        variable.end - variable.start > 1 || self.segments[variable.start..variable.end] == [Segment::Rest]
    }
}
