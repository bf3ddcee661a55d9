//! Query parameters that name no field, kept for the servicer of a google.api.HttpBody.
//!
//! They travel as Envoy's transcoder sends them, so that a servicer need not know who stands in front of it: as an extension
//! of the HttpBody that is an `envoy.extensions.filters.http.grpc_json_transcoder.v3.UnknownQueryParams`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::wire::put_len;

const TYPE: &str =
    "type.googleapis.com/envoy.extensions.filters.http.grpc_json_transcoder.v3.UnknownQueryParams";

/// `google.api.HttpBody.extensions`
const EXTENSIONS: u32 = 3;

/// Names, each with the wire of its values.
#[derive(Debug, Default)]
pub(crate) struct Captured<'q>(BTreeMap<Cow<'q, str>, Vec<u8>>);

impl<'q> Captured<'q> {
    pub(crate) fn add(&mut self, name: Cow<'q, str>, value: &str) {
        put_len(1, value.as_bytes(), self.0.entry(name).or_default());
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Appends the extension to the wire of an HttpBody.
    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        let mut params = Vec::new();
        for (name, values) in &self.0 {
            let mut entry = Vec::with_capacity(name.len() + values.len() + 8);
            put_len(1, name.as_bytes(), &mut entry);
            put_len(2, values, &mut entry);
            put_len(1, &entry, &mut params);
        }
        let mut any = Vec::with_capacity(TYPE.len() + params.len() + 8);
        put_len(1, TYPE.as_bytes(), &mut any);
        put_len(2, &params, &mut any);
        put_len(EXTENSIONS, &any, out);
    }
}
