//! What a user can choose.

use narthex_protojson::{ReadOptions, WriteOptions};

/// How the transcoder behaves; the default is what the specification says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Path prefixes (`/api`) that belong to the JSON API alone: what has no route there is a `google.rpc.Status` with 404,
    /// or 405 if only the HTTP method is wrong, and never reaches the service behind.
    pub api_prefixes: Vec<String>,
    /// The largest request body, in bytes.
    pub max_body: usize,
    /// How JSON bodies are read.
    pub read: ReadOptions,
    /// How JSON is written.
    pub write: WriteOptions,
    /// What happens to query parameters that name no field.
    pub unknown_query: UnknownQuery,
    /// Read `+` in a query as a space, as HTML forms write it; otherwise it stands for itself (RFC 3986).
    pub plus_is_space: bool,
}

/// What happens to query parameters that name no field of the request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum UnknownQuery {
    /// The request is refused with 400, which names the parameter.
    #[default]
    Reject,
    /// They are left out.
    Ignore,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            api_prefixes: Vec::new(),
            max_body: 16 * 1024 * 1024,
            read: ReadOptions::default(),
            write: WriteOptions::default(),
            unknown_query: UnknownQuery::default(),
            plus_is_space: false,
        }
    }
}

impl Options {
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
