//! A template as text.

use std::fmt;

use super::{Segment, Template, Variable};

impl fmt::Display for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Literal(text) => text,
            Self::Any => "*",
            Self::Rest => "**",
        })
    }
}

/// The shortest text that parses to the same template: `{id=*}` is written `{id}`.
impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.segments.is_empty() {
            f.write_str("/")?;
        }
        let mut variables = self.variables.iter().peekable();
        let mut at = 0;
        while at < self.segments.len() {
            f.write_str("/")?;
            if let Some(variable) = variables.next_if(|variable| variable.start == at) {
                self.write_variable(variable, f)?;
                at = variable.end;
            } else {
                self.segments[at].fmt(f)?;
                at += 1;
            }
        }
        match &self.verb {
            Some(verb) => write!(f, ":{verb}"),
            None => Ok(()),
        }
    }
}

impl Template {
    fn write_variable(&self, variable: &Variable, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{}", variable.field_path.join("."))?;
        let segments = &self.segments[variable.start..variable.end];
        if segments != [Segment::Any] {
            for (index, segment) in segments.iter().enumerate() {
                write!(f, "{}{segment}", if index == 0 { "=" } else { "/" })?;
            }
        }
        f.write_str("}")
    }
}
