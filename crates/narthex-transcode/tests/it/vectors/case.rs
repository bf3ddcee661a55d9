//! A case as data: the request, the options of its profile, and what is expected.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use narthex_transcode::{Options, Rules, StreamFormat, Unescape, UnknownQuery};
use serde_json::Value;

pub(super) struct Case {
    pub(super) id: String,
    pub(super) services: Vec<String>,
    pub(super) options: Options,
    pub(super) rules: Rules,
    pub(super) method: String,
    pub(super) path: String,
    pub(super) headers: Vec<(String, String)>,
    /// The body, as the pieces it comes in.
    pub(super) body: Vec<Bytes>,
    pub(super) expect: Value,
    pub(super) also: Vec<Value>,
    pub(super) backend: Value,
}

pub(super) fn bytes(base64: &Value) -> Bytes {
    STANDARD.decode(base64.as_str().unwrap()).unwrap().into()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn pairs(value: &Value) -> Vec<(String, String)> {
    value.as_array().unwrap().iter().map(|pair| (text(&pair[0]), text(&pair[1]))).collect()
}

impl Case {
    pub(super) fn of(case: &Value, profiles: &Value) -> Self {
        let http = &case["http"];
        let profile = &profiles[case["profile"].as_str().unwrap_or("base")];
        let (mut options, rules) = options(&profile["options"], case["level"] == "impl:envoy");
        if let Some(limit) = profile["buffer_limit_bytes"].as_u64() {
            options.max_body = usize::try_from(limit).unwrap();
            options.max_response = options.max_body;
        }
        Self {
            id: text(&case["id"]),
            services: profile["services"].as_array().unwrap().iter().map(text).collect(),
            options,
            rules,
            method: text(&http["method"]),
            path: path(http),
            headers: pairs(&http["headers"]),
            body: body(http),
            expect: case["expect"].clone(),
            also: case["also_acceptable"].as_array().cloned().unwrap_or_default(),
            backend: case["backend"].clone(),
        }
    }

    /// A request of a set of bindings; it expects a message of variables.
    pub(super) fn of_path(set: &Value, index: usize, request: &Value) -> Self {
        let (options, rules) = options(&set["options"], request["level"] == "impl:envoy");
        let service = text(&set["service"]);
        let expected = |expect: &Value| match expect["rpc"].as_str() {
            Some(rpc) => {
                serde_json::json!({"kind": "rpc", "rpc": format!("{service}/{rpc}"), "vars": expect["vars"]})
            }
            None => {
                serde_json::json!({"kind": "reject", "http_status": expect["http_status"], "grpc_code": expect["grpc_code"]})
            }
        };
        let also = request["also_acceptable"].as_array().cloned().unwrap_or_default();
        Self {
            id: format!("{}/{}", text(&set["id"]), index + 1),
            options,
            rules,
            method: text(&request["method"]),
            path: path(request),
            headers: Vec::new(),
            body: Vec::new(),
            expect: expected(&request["expect"]),
            also: also.iter().map(expected).collect(),
            backend: Value::Null,
            services: vec![service],
        }
    }
}

/// The options of a profile, which are named as Envoy names them.
fn options(profile: &Value, envoy: bool) -> (Options, Rules) {
    let mut options = if envoy { Options::envoy() } else { Options::default() };
    let mut rules = if envoy { Rules::envoy() } else { Rules::default() };
    let on = |value: &Value| value.as_bool() == Some(true);
    let print = &profile["print_options"];
    options.write.proto_names = on(&print["preserve_proto_field_names"]);
    options.write.enums_as_ints = on(&print["always_print_enums_as_ints"]);
    options.write.always_print = on(&print["always_print_primitive_fields"]);
    options.write.whitespace = on(&print["add_whitespace"]);
    options.read.enums_in_any_case = on(&profile["case_insensitive_enum_parsing"]);
    if on(&print["stream_newline_delimited"]) {
        options.stream = StreamFormat::NewlineDelimited;
    }
    if on(&print["stream_sse_style_delimited"]) {
        options.stream = StreamFormat::ServerSentEvents;
    }
    if on(&profile["ignore_unknown_query_parameters"]) {
        options.unknown_query = UnknownQuery::Ignore;
    }
    if let Some(names) = profile["ignored_query_parameters"].as_array() {
        options.ignored_query = names.iter().map(text).collect();
    }
    options.plus_is_space = on(&profile["query_param_unescape_plus"]);
    rules.unregistered_verbs = on(&profile["match_unregistered_custom_verb"]);
    rules.auto_mapping = on(&profile["auto_mapping"]);
    options.refuse_collisions =
        on(&profile["request_validation_options"]["reject_binding_body_field_collisions"]);
    match profile["url_unescape_spec"].as_str() {
        Some("ALL_CHARACTERS_EXCEPT_SLASH") => options.unescape = Unescape::ExceptSlash,
        Some("ALL_CHARACTERS") => options.unescape = Unescape::All,
        _ => {}
    }
    // What no binding has is the transcoder's to refuse, as `reject_unknown_method` has it.
    options.api_prefixes = vec!["/".to_owned()];
    (options, rules)
}

/// What has a `NAME_repeat` or `NAME_nest` is too long to be written out.
fn repeated(repeat: &Value) -> String {
    let count = usize::try_from(repeat["count"].as_u64().unwrap()).unwrap();
    let part = |name: &str| repeat[name].as_str().unwrap_or_default();
    if repeat["unit"].is_string() {
        return [part("prefix"), &part("unit").repeat(count), part("suffix")].concat();
    }
    [
        part("prefix"),
        &part("open").repeat(count),
        part("middle"),
        &part("close").repeat(count),
        part("suffix"),
    ]
    .concat()
}

fn path(http: &Value) -> String {
    if http["path_repeat"].is_object() { repeated(&http["path_repeat"]) } else { text(&http["path"]) }
}

fn body(http: &Value) -> Vec<Bytes> {
    if let Some(chunks) = http["body_chunks"].as_array() {
        return chunks.iter().map(|chunk| text(chunk).into()).collect();
    }
    let whole = match http {
        _ if http["body_b64"].is_string() => bytes(&http["body_b64"]),
        _ if http["body"].is_string() => text(&http["body"]).into(),
        _ if http["body_repeat"].is_object() => repeated(&http["body_repeat"]).into(),
        _ if http["body_nest"].is_object() => repeated(&http["body_nest"]).into(),
        _ => Bytes::new(),
    };
    if whole.is_empty() { Vec::new() } else { vec![whole] }
}
