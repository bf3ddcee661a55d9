//! `narthex.transcoding.Transcoding` as the transcoder's options and rules.

use narthex_transcode::{Options, Rules, StreamFormat, Unescape, UnknownQuery, service_config};
use pyo3::prelude::*;

use crate::config::Problem;

/// `narthex.transcoding.Transcoding`; Python has checked the words.
#[derive(Debug, FromPyObject)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of the command that is on or off")]
pub(crate) struct Transcoding {
    compat: String,
    auto_mapping: bool,
    service_configs: Vec<(String, String)>,
    stream: String,
    unknown_query: String,
    ignored_query: Vec<String>,
    plus_is_space: bool,
    unescape: Option<String>,
    unregistered_verbs: bool,
    ignore_unknown: Option<bool>,
    refuse_collisions: bool,
    fill_update_mask: bool,
    compress: bool,
    proto_names: bool,
    enums_as_ints: bool,
    always_print: bool,
    whitespace: bool,
    any_case_enums: bool,
}

impl Transcoding {
    fn is_envoy(&self) -> bool {
        self.compat == "envoy"
    }

    /// Where rules come from, and how they match.
    pub(crate) fn rules(&self, problems: &mut Vec<Problem>) -> Rules {
        let mut rules = if self.is_envoy() { Rules::envoy() } else { Rules::default() };
        rules.auto_mapping = self.auto_mapping;
        rules.unregistered_verbs = self.unregistered_verbs;
        for (name, text) in &self.service_configs {
            match service_config(text) {
                Ok(configured) => rules.configured.extend(configured),
                Err(error) => {
                    let hint = "write http: with rules: below it, each with a selector, as google/api/http.proto has it";
                    problems.push((format!("--service-config {name}"), error.to_string(), hint.to_owned()));
                }
            }
        }
        rules
    }

    /// How requests and answers are translated.
    pub(crate) fn options(&self, api_prefixes: Vec<String>, max_body: usize) -> Options {
        let mut options = if self.is_envoy() { Options::envoy() } else { Options::default() };
        options.api_prefixes = api_prefixes;
        options.max_body = max_body;
        options.stream = match &*self.stream {
            "ndjson" => StreamFormat::NewlineDelimited,
            "json-seq" => StreamFormat::Sequence,
            "sse" => StreamFormat::ServerSentEvents,
            _ => StreamFormat::Array,
        };
        options.unknown_query = match &*self.unknown_query {
            "ignore" => UnknownQuery::Ignore,
            "capture" => UnknownQuery::Capture,
            _ => UnknownQuery::Reject,
        };
        options.ignored_query.clone_from(&self.ignored_query);
        options.plus_is_space = self.plus_is_space;
        options.unescape = match self.unescape.as_deref() {
            Some("except-slash") => Unescape::ExceptSlash,
            Some("except-reserved") => Unescape::ExceptReserved,
            Some("all") => Unescape::All,
            _ => options.unescape,
        };
        options.read.ignore_unknown = self.ignore_unknown.unwrap_or(options.read.ignore_unknown);
        options.refuse_collisions = self.refuse_collisions;
        options.fill_update_mask = self.fill_update_mask;
        options.compress = self.compress;
        options.write.proto_names = self.proto_names;
        options.write.enums_as_ints = self.enums_as_ints;
        options.write.always_print = self.always_print;
        options.write.whitespace = self.whitespace;
        options.read.enums_in_any_case = self.any_case_enums;
        options
    }
}
