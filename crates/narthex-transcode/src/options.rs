//! What a user can choose.

use narthex_protojson::{ReadOptions, WriteOptions};

use crate::stream::StreamFormat;
use crate::template::Dialect;

/// How the transcoder behaves; the default is what the specification says.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "options that a user turns on and off one by one")]
pub struct Options {
    /// Path prefixes (`/api`) that belong to the JSON API alone: what has no route there is a `google.rpc.Status` with 404,
    /// or 405 if only the HTTP method is wrong, and never reaches the service behind.
    pub api_prefixes: Vec<String>,
    /// The largest request body, in bytes, decompressed; of a stream, the largest message.
    pub max_body: usize,
    /// The largest message of a response, in bytes; a larger one is INTERNAL.
    pub max_response: usize,
    /// How JSON bodies are read.
    pub read: ReadOptions,
    /// How JSON is written.
    pub write: WriteOptions,
    /// What happens to query parameters that name no field.
    pub unknown_query: UnknownQuery,
    /// Query parameters that are never looked at, by their decoded names (`key`, `$alt`).
    pub ignored_query: Vec<String>,
    /// Read query parameters also where the body is the whole message; the specification has none there.
    pub query_beside_body: bool,
    /// Read `+` in a query as a space, as HTML forms write it; otherwise it stands for itself (RFC 3986).
    pub plus_is_space: bool,
    /// Which escapes stay in variables that span several segments.
    pub unescape: Unescape,
    /// A malformed percent escape stands for itself, instead of being refused.
    pub literal_escapes: bool,
    /// Refuse a request that gives one field both in its body and in its path or query.
    pub refuse_collisions: bool,
    /// How a stream of messages is written where `Accept` asks for nothing in particular.
    pub stream: StreamFormat,
    /// A PATCH whose request has one `FieldMask`, which is not given, has it filled with the fields of what it updates that the
    /// body gives, be it JSON or a form, or the query. What it updates is the body's field; with body `*` the message that the path's variables
    /// lead into (`{book.name=books/*}`), or the only one of the request, and where that is none or several the mask stays unset.
    pub fill_update_mask: bool,
    /// Compress answers of a kilobyte and more as `Accept-Encoding` asks; streams never are.
    pub compress: bool,
    /// Whose habits are followed where no option of its own says. Envoy's: a query parameter without `=` is not looked at;
    /// one that names a variable of the path wins over the path, and what the body says of a field over both, but where it says
    /// the default value of a field that cannot tell it from none; whatever the type of a body is, it is JSON; a stream of
    /// messages is an array, unless the type says lines or a sequence, so no body is none.
    pub dialect: Dialect,
}

/// What happens to query parameters that name no field of the request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum UnknownQuery {
    /// The request is refused with 400, which names the parameter.
    #[default]
    Reject,
    /// They are left out.
    Ignore,
    /// They are put into the extensions of the request's HttpBody, as Envoy does; where there is none they are left out.
    Capture,
}

/// Which escapes stay as they are in a variable that spans several segments; one of a single segment is always decoded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Unescape {
    /// `%2F`, which could not be told from a separator (google/api/http.proto).
    #[default]
    ExceptSlash,
    /// Those of all of RFC 6570's reserved characters, Envoy's default.
    ExceptReserved,
    /// None.
    All,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            api_prefixes: Vec::new(),
            max_body: 16 * 1024 * 1024,
            max_response: usize::MAX,
            read: ReadOptions::default(),
            write: WriteOptions::default(),
            unknown_query: UnknownQuery::default(),
            ignored_query: Vec::new(),
            query_beside_body: false,
            plus_is_space: false,
            unescape: Unescape::default(),
            literal_escapes: false,
            refuse_collisions: false,
            stream: StreamFormat::default(),
            fill_update_mask: false,
            compress: true,
            dialect: Dialect::Specification,
        }
    }
}

impl Options {
    /// What Envoy's gRPC-JSON transcoder does where it differs from the specification.
    ///
    /// Not its errors, which stay google.rpc.Status; templates as Envoy reads them are [`Rules::envoy`](crate::Rules::envoy).
    pub fn envoy() -> Self {
        Self {
            read: ReadOptions {
                ignore_unknown: true,
                refuse_unknown_enums: true,
                proto_masks: true,
                ..ReadOptions::default()
            },
            query_beside_body: true,
            unescape: Unescape::ExceptReserved,
            literal_escapes: true,
            dialect: Dialect::Envoy,
            ..Self::default()
        }
    }

    /// Whether `path` is an API prefix or lies under one.
    pub(crate) fn owns(&self, path: &str) -> bool {
        self.api_prefixes.iter().any(|prefix| {
            let rest = path.strip_prefix(prefix.trim_end_matches('/'));
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_at_a_slash() {
        let options = Options { api_prefixes: vec!["/api".into(), "/v1/".into()], ..Options::default() };
        for path in ["/api", "/api/", "/api/x", "/v1", "/v1/x/y"] {
            assert!(options.owns(path), "{path}");
        }
        for path in ["/", "/apis", "/v10", "/x/api"] {
            assert!(!options.owns(path), "{path}");
        }
    }
}
