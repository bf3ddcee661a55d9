//! Query parameters, and the fields of forms, to wire.

use std::borrow::Cow;

use narthex_protojson::{Field, Message, TOO_DEEP, text_to_wire};

use crate::bind::Target;
use crate::captured::Captured;
use crate::error::Rejection;
use crate::escape;
use crate::field_path;
use crate::options::{Options, UnknownQuery};
use crate::template::Dialect;

/// Puts into `known` what the parameters of `query` set, and keeps in `unknown` those that name no field.
///
/// Names are field paths (`page.size`, in proto or JSON spelling). A repeated field takes every value of its name, any
/// other the last one. A parameter without `=` has the empty value, one without a name says nothing. What nobody takes is
/// left out, unless the options refuse it.
pub(crate) fn bind<'q>(
    message: &Message,
    query: &'q str,
    options: &'q Options,
    mut known: Option<&mut Target>,
    mut unknown: Option<&mut Captured<'q>>,
) -> Result<(), Rejection> {
    for (name, value) in pairs(query, options) {
        let field = Named::of(name, options.plus_is_space, options);
        let Some(fields) = field.fields(message) else {
            if let Some(captured) = &mut unknown {
                let value = field.value(value, options)?;
                captured.add(field.decoded, &value);
            } else if options.unknown_query == UnknownQuery::Reject {
                return Err(Rejection::UnknownQuery { name: field.decoded.into_owned() });
            }
            continue;
        };
        if let Some(target) = &mut known {
            let value = field.value(value, options)?;
            text_to_wire(&fields, &value, &options.read, target.place(&fields, options))
                .map_err(|error| field.refuse(error.to_string()))?;
        }
    }
    Ok(())
}

/// Appends what an `application/x-www-form-urlencoded` body sets in the message that `parents` lead to.
pub(crate) fn bind_form(
    message: &Message,
    parents: &[Field],
    form: &[u8],
    options: &Options,
    out: &mut Vec<u8>,
) -> Result<(), Rejection> {
    let form = std::str::from_utf8(form).map_err(|_| Rejection::form("", "the form is not UTF-8"))?;
    let mut path = parents.to_vec();
    for (name, value) in split(form) {
        let field = Named::of(name, true, options);
        if field_path::is_too_deep(&field.decoded) {
            return Err(Rejection::form(&field.decoded, TOO_DEEP));
        }
        let Some(mut fields) = field.fields(message) else {
            if options.read.ignore_unknown {
                continue;
            }
            return Err(Rejection::form(
                &field.decoded,
                format!("{} has no such field", message.full_name()),
            ));
        };
        let value = escape::parameter(value.unwrap_or_default(), true, options)
            .map_err(|message| Rejection::form(&field.decoded, message))?;
        path.truncate(parents.len());
        path.append(&mut fields);
        text_to_wire(&path, &value, &options.read, out)
            .map_err(|error| Rejection::form(&field.decoded, error.to_string()))?;
    }
    Ok(())
}

/// The fields that a form names, each by the way to it.
pub(crate) fn form_fields<'f>(
    message: &'f Message,
    form: &'f [u8],
    options: &'f Options,
) -> impl Iterator<Item = Vec<Field>> + 'f {
    let form = std::str::from_utf8(form).unwrap_or_default();
    split(form).filter_map(move |(name, _)| Named::of(name, true, options).fields(message))
}

/// The fields that a query names, each by the way to it.
pub(crate) fn fields<'q>(
    message: &'q Message,
    query: &'q str,
    options: &'q Options,
) -> impl Iterator<Item = Vec<Field>> + 'q {
    pairs(query, options)
        .filter_map(move |(name, _)| Named::of(name, options.plus_is_space, options).fields(message))
}

/// The name of the first parameter, for a rule that takes none.
pub(crate) fn first_name(query: &str, options: &Options) -> Option<String> {
    let (name, _) = pairs(query, options).next()?;
    Some(Named::of(name, options.plus_is_space, options).decoded.into_owned())
}

/// The parameters that are looked at.
fn pairs<'q>(query: &'q str, options: &'q Options) -> impl Iterator<Item = (&'q str, &'q str)> {
    split(query)
        .filter(|(_, value)| value.is_some() || options.dialect == Dialect::Specification)
        .filter(|(name, _)| !name.is_empty() && !is_ignored(name, options))
        .map(|(name, value)| (name, value.unwrap_or_default()))
}

/// Whether a parameter of this name is left alone, however the name is escaped: clients write `$alt` as `%24alt` too.
fn is_ignored(name: &str, options: &Options) -> bool {
    if options.ignored_query.is_empty() {
        return false;
    }
    let name = Named::of(name, options.plus_is_space, options).decoded;
    options.ignored_query.iter().any(|ignored| *ignored == name)
}

fn split(text: &str) -> impl Iterator<Item = (&str, Option<&str>)> {
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    pairs.map(|pair| pair.split_once('=').map_or((pair, None), |(name, value)| (name, Some(value))))
}

/// A name as it came, and decoded.
struct Named<'q> {
    raw: &'q str,
    decoded: Cow<'q, str>,
}

impl<'q> Named<'q> {
    fn of(raw: &'q str, plus_is_space: bool, options: &Options) -> Self {
        // A malformed escape names nothing, and what it is said to be is what came.
        let decoded = escape::parameter(raw, plus_is_space, options).unwrap_or(Cow::Borrowed(raw));
        Self { raw, decoded }
    }

    /// The fields it leads through. A JSON name may hold an escape itself, so the name as it came is the second try.
    fn fields(&self, message: &Message) -> Option<Vec<Field>> {
        field_path::resolve(message, self.decoded.split('.'))
            .or_else(|_| field_path::resolve(message, self.raw.split('.')))
            .ok()
    }

    /// Its value in a query.
    fn value(&self, value: &'q str, options: &Options) -> Result<Cow<'q, str>, Rejection> {
        let value = escape::parameter(value, options.plus_is_space, options);
        value.map_err(|message| self.refuse(message.to_owned()))
    }

    fn refuse(&self, message: String) -> Rejection {
        Rejection::Query { name: self.decoded.clone().into_owned(), message }
    }
}
