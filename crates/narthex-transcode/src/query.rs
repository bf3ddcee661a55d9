//! Query parameters to wire.

use std::borrow::Cow;

use narthex_protojson::{Message, text_to_wire};

use crate::error::Rejection;
use crate::field_path;
use crate::options::{Options, UnknownQuery};
use crate::request::unescape;

/// Appends what the parameters of `query` set.
///
/// Names are field paths (`page.size`, in proto or JSON spelling). A repeated field takes every value of its name, any
/// other the last one. A parameter without `=` has the empty value.
pub(crate) fn bind(
    message: &Message,
    query: &str,
    options: &Options,
    out: &mut Vec<u8>,
) -> Result<(), Rejection> {
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        // A JSON name may hold an escape itself, so the name as it came is the second try.
        let decoded = text(name, options).unwrap_or(Cow::Borrowed(name));
        let fields = field_path::resolve(message, decoded.split('.'))
            .or_else(|_| field_path::resolve(message, name.split('.')));
        let Ok(fields) = fields else {
            match options.unknown_query {
                UnknownQuery::Reject => return Err(Rejection::UnknownQuery { name: decoded.into_owned() }),
                UnknownQuery::Ignore => continue,
            }
        };
        let refuse = |message: String| Rejection::Query { name: decoded.clone().into_owned(), message };
        let value = text(value, options).map_err(|message| refuse(message.to_owned()))?;
        text_to_wire(&fields, &value, out).map_err(|error| refuse(error.to_string()))?;
    }
    Ok(())
}

/// The name of the first parameter, for a rule that takes none.
pub(crate) fn first_name(query: &str) -> Option<String> {
    let pair = query.split('&').find(|pair| !pair.is_empty())?;
    let name = pair.split_once('=').map_or(pair, |(name, _)| name);
    Some(unescape(name, false).unwrap_or(Cow::Borrowed(name)).into_owned())
}

fn text<'q>(text: &'q str, options: &Options) -> Result<Cow<'q, str>, &'static str> {
    if options.plus_is_space && text.contains('+') {
        return Ok(unescape(&text.replace('+', " "), false)?.into_owned().into());
    }
    unescape(text, false)
}
