//! Path templates of google.api.http in OpenAPI's terms, which know one segment a parameter.

use narthex_transcode::{Route, Segment};

use crate::names::ResourceNames;

/// A path of the document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Path {
    /// Text and parameters in turn: text comes first and last.
    text: Vec<String>,
    pub(crate) parameters: Vec<Parameter>,
}

/// A parameter of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Parameter {
    pub(crate) name: String,
    /// Which variable it is, if it is all of one.
    pub(crate) variable: Option<usize>,
    pub(crate) description: Option<String>,
}

impl Path {
    /// A variable of one segment is a parameter. One of several is written out, and each `*` or `**` in it is a parameter named
    /// as the pattern of a resource has it, or after the literal before it: `{name=shelves/*}` is `shelves/{shelf}`, so that no
    /// client escapes the slash.
    pub(crate) fn of(route: &Route, names: &ResourceNames) -> Self {
        let template = route.template();
        let mut path = Self { text: vec![String::new()], parameters: Vec::new() };
        // Their names are the fields'; the others take what is free.
        let whole = template.variables.iter().filter(|variable| variable.end - variable.start == 1);
        let taken: Vec<String> = whole.map(|variable| variable.field_path.join(".")).collect();
        for (index, segment) in template.segments.iter().enumerate() {
            path.push("/");
            if let Segment::Literal(text) = segment {
                path.push(text);
                continue;
            }
            let variable = template.variables.iter().position(|v| (v.start..v.end).contains(&index));
            let whole =
                variable.filter(|at| template.variables[*at].end - template.variables[*at].start == 1);
            let field = variable.map(|at| template.variables[at].field_path.join("."));
            let name = if let (Some(_), Some(field)) = (whole, &field) {
                field.clone()
            } else {
                let start = variable.map_or(0, |at| template.variables[at].start);
                let segments: Vec<&str> = template.segments[start..=index].iter().map(shape).collect();
                path.free(&names.find(&segments), &taken)
            };
            let part =
                (whole.is_none()).then_some(field).flatten().map(|field| format!("A part of `{field}`."));
            let rest = (*segment == Segment::Rest)
                .then(|| "May hold several segments; the slashes between them are not escaped.".to_owned());
            let description: Vec<String> = part.into_iter().chain(rest).collect();
            path.parameters.push(Parameter {
                name,
                variable: whole,
                description: (!description.is_empty()).then(|| description.join(" ")),
            });
            path.text.push(String::new());
        }
        if template.segments.is_empty() {
            path.push("/");
        }
        if let Some(verb) = &template.verb {
            path.push(&format!(":{verb}"));
        }
        path
    }

    /// The same for all paths that differ in the names of their parameters alone, which a document may not have.
    pub(crate) fn shape(&self) -> String {
        self.text.join("{}")
    }

    /// With the names of another path of the same shape.
    pub(crate) fn renamed(mut self, other: &Self) -> Self {
        for (parameter, other) in self.parameters.iter_mut().zip(&other.parameters) {
            parameter.name.clone_from(&other.name);
        }
        self
    }

    fn push(&mut self, text: &str) {
        if let Some(last) = self.text.last_mut() {
            last.push_str(text);
        }
    }

    /// A name that no parameter has, nor one of those to come.
    fn free(&self, wanted: &str, taken: &[String]) -> String {
        let numbered = (2..).map(|number| format!("{wanted}{number}"));
        let mut names = std::iter::once(wanted.to_owned()).chain(numbered);
        let is_free =
            |name: &String| !taken.contains(name) && self.parameters.iter().all(|other| other.name != *name);
        names.find(is_free).unwrap_or_else(|| wanted.to_owned())
    }
}

/// A segment as the shapes of resource names have it.
fn shape(segment: &Segment) -> &str {
    match segment {
        Segment::Literal(text) => text,
        _ => "*",
    }
}

impl std::fmt::Display for Path {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, text) in self.text.iter().enumerate() {
            f.write_str(text)?;
            if let Some(parameter) = self.parameters.get(index) {
                write!(f, "{{{}}}", parameter.name)?;
            }
        }
        Ok(())
    }
}
