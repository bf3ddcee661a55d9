//! Dotted names (`book.author.name`) to the fields they mean.

use narthex_protojson::{Field, Kind, MAX_DEPTH, Message};

/// Why a field path leads nowhere.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PathError {
    #[error("{message} has no field {name:?}")]
    Unknown { message: String, name: String },
    #[error("{0:?} is a list or a map, so no field of it can be named")]
    Many(String),
    #[error("{0:?} is no message, so it has no fields")]
    Scalar(String),
}

/// Finds the fields that `names` lead through, by proto or JSON name.
pub(crate) fn resolve<'n>(
    message: &Message,
    names: impl IntoIterator<Item = &'n str>,
) -> Result<Vec<Field>, PathError> {
    let mut fields: Vec<Field> = Vec::with_capacity(2);
    for name in names {
        let parent = match fields.last() {
            None => message.clone(),
            Some(last) if last.is_list() || last.is_map() => {
                return Err(PathError::Many(last.name().to_owned()));
            }
            Some(last) => match last.kind() {
                Kind::Message(message) => message,
                _ => return Err(PathError::Scalar(last.name().to_owned())),
            },
        };
        let unknown = || PathError::Unknown { message: parent.full_name().to_owned(), name: name.to_owned() };
        fields.push(parent.field(name).ok_or_else(unknown)?);
    }
    Ok(fields)
}

/// Whether a name leads further than messages may nest. A message may be recursive, and a name in a form as long as a body.
pub(crate) fn is_too_deep(name: &str) -> bool {
    name.bytes().filter(|byte| *byte == b'.').count() > MAX_DEPTH
}
