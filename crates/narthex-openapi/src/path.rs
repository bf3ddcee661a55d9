//! Path templates of google.api.http in OpenAPI's terms, which know one segment a parameter.

use narthex_transcode::{Route, Segment};

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
    /// after the literal before it: `{name=shelves/*}` is `shelves/{shelves}`, so that no client escapes the slash.
    pub(crate) fn of(route: &Route) -> Self {
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
            let before = index.checked_sub(1).and_then(|before| match &template.segments[before] {
                Segment::Literal(text) => Some(text.as_str()),
                _ => None,
            });
            let name = match (whole, &field) {
                (Some(_), Some(field)) => field.clone(),
                _ => path.free(before.unwrap_or("segment"), &taken),
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
        let wanted: String =
            wanted.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        let numbered = (2..).map(|number| format!("{wanted}{number}"));
        let mut names = std::iter::once(wanted.clone()).chain(numbered);
        let is_free =
            |name: &String| !taken.contains(name) && self.parameters.iter().all(|other| other.name != *name);
        names.find(is_free).unwrap_or(wanted)
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
