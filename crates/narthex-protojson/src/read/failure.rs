//! What went wrong, and the way there.

use crate::error::ReadError;

pub(super) type Result<T> = std::result::Result<T, Failure>;

/// Why reading stopped; boxed, so that a result is as small as what it is mostly.
#[derive(Debug)]
pub(super) struct Failure(Box<Cause>);

#[derive(Debug)]
struct Cause {
    at: usize,
    message: String,
    /// Innermost step first. Written on the way out, so that nothing is kept while all goes well.
    path: Vec<Step>,
}

/// One step of the way into a message.
#[derive(Debug)]
pub(super) enum Step {
    Name(String),
    Index(usize),
    Key(String),
}

impl Step {
    /// A name that the text gives and no schema: it is repeated at no great length.
    #[cold]
    pub(super) fn found(name: &str) -> Self {
        Self::Name(match crate::text::beginning(name) {
            Some(beginning) => format!("{beginning}..."),
            None => name.to_owned(),
        })
    }
}

impl Failure {
    #[cold]
    pub(super) fn new(at: usize, message: impl Into<String>) -> Self {
        Self(Box::new(Cause { at, message: message.into(), path: Vec::new() }))
    }

    /// It happened inside of this.
    #[cold]
    pub(super) fn within(mut self, step: Step) -> Self {
        self.0.path.push(step);
        self
    }

    /// As the caller of the crate gets it.
    #[expect(clippy::naive_bytecount, reason = "once, for an error")]
    pub(super) fn in_text(self, text: &[u8]) -> ReadError {
        let Cause { at, message, path: steps } = *self.0;
        let before = &text[..at];
        let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
        let mut path = String::new();
        for step in steps.iter().rev() {
            match step {
                Step::Name(name) if path.is_empty() => path.push_str(name),
                Step::Name(name) => path.extend([".", name]),
                Step::Index(index) => path.extend(["[", &index.to_string(), "]"]),
                Step::Key(key) => path.extend(["[", &crate::text::quoted(key), "]"]),
            }
        }
        ReadError {
            line: before.iter().filter(|byte| **byte == b'\n').count() + 1,
            column: at - line_start + 1,
            path,
            message,
        }
    }
}
