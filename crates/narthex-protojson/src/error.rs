//! What can be wrong with descriptors, JSON text, wire bytes and text values.

use std::fmt;

/// One thing wrong with a descriptor set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolProblem {
    /// The `.proto` file it is about, or an empty string when the set as a whole cannot be read.
    pub file: String,
    /// What is wrong and what to do about it.
    pub message: String,
}

/// A descriptor set from which no pool can be built; holds all its problems.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolError {
    problems: Vec<PoolProblem>,
}

impl PoolError {
    pub(crate) fn new(problems: Vec<PoolProblem>) -> Self {
        Self { problems }
    }

    /// About the set itself, and no file of it.
    pub(crate) fn whole(message: String) -> Self {
        Self::new(vec![PoolProblem { file: String::new(), message }])
    }

    /// Everything that is wrong, in the order of the files.
    pub fn problems(&self) -> &[PoolProblem] {
        &self.problems
    }
}

impl fmt::Display for PoolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("; ")?;
            }
            if !problem.file.is_empty() {
                write!(f, "{}: ", problem.file)?;
            }
            f.write_str(&problem.message)?;
        }
        Ok(())
    }
}

impl std::error::Error for PoolError {}

/// JSON text that is not the ProtoJSON form of the message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadError {
    /// Line of the text, from 1.
    pub line: usize,
    /// Column in that line in bytes, from 1: where what is wrong begins.
    pub column: usize,
    /// Where in the message, by JSON names (`book.authors[2].name`); empty at the top.
    pub path: String,
    /// What is wrong there.
    pub message: String,
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            write!(f, "{} at line {} column {}", self.message, self.line, self.column)
        } else {
            write!(f, "{}: {} at line {} column {}", self.path, self.message, self.line, self.column)
        }
    }
}

impl std::error::Error for ReadError {}

/// Wire bytes that have no JSON form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct WriteError {
    pub(crate) message: String,
}

impl WriteError {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into() }
    }
}

/// Text that is no value of the field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TextError {
    pub(crate) message: String,
}

impl TextError {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into() }
    }
}
