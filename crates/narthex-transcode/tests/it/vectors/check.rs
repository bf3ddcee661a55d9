//! Sends a case through the layer, and holds what comes of it against what it expects.

use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use futures_util::FutureExt as _;
use http::{Request, Uri};
use narthex_protojson::{Pool, ReadOptions, WriteOptions, json_to_wire, wire_to_json};
use narthex_transcode::{RouteTable, Template, TranscodeLayer};
use serde_json::{Map, Value, json};
use tower_layer::Layer as _;
use tower_service::Service as _;

use super::backend::{Backend, Call, pieces};
use super::case::{self, Case};
use crate::support::{compile, read};

static POOL: LazyLock<Pool> = LazyLock::new(|| compile_file("vectors.proto"));
static PATHS: LazyLock<Pool> = LazyLock::new(|| compile_file("path_sets.proto"));

fn compile_file(name: &str) -> Pool {
    let path = super::folder().join("proto").join(name);
    compile(name, &std::fs::read_to_string(path).unwrap())
}

struct Answer {
    status: u16,
    headers: http::HeaderMap,
    body: Bytes,
    cut: Option<narthex_wire::BoxError>,
    call: Option<Call>,
}

pub(super) fn exchange(case: &Case) -> Result<(), String> {
    let pool = if case.services[0].starts_with("vectors.pathsets") { &*PATHS } else { &*POOL };
    let answer = answer(case, pool)?;
    let first = matches(case, pool, &answer, &case.expect);
    match first {
        Err(_) if case.also.iter().any(|expect| matches(case, pool, &answer, expect).is_ok()) => Ok(()),
        outcome => outcome.map_err(|why| {
            let Answer { status, body, cut, call, .. } = &answer;
            format!(
                "{why}\n    {} {} -> {status} {:?} {cut:?}\n    called: {call:?}",
                case.method,
                case.path,
                String::from_utf8_lossy(body)
            )
        }),
    }
}

fn answer(case: &Case, pool: &Pool) -> Result<Answer, String> {
    let table =
        RouteTable::with_rules(pool, &case.services, &case.rules).map_err(|error| error.to_string())?;
    let backend = Backend::new(case.backend.clone(), echoes);
    let mut service = TranscodeLayer::new(Arc::new(table), case.options.clone()).layer(backend.clone());
    let uri: Uri =
        case.path.parse().map_err(|error| format!("the server's parser refuses the path: {error}"))?;
    let mut request = Request::builder().method(&*case.method).uri(uri);
    for (name, value) in &case.headers {
        request = request.header(name, value);
    }
    let request = request.body(pieces(&case.body)).unwrap();
    let response = service.call(request).now_or_never().expect("nothing here waits").unwrap();
    let (head, body) = response.into_parts();
    let (body, cut) = read(body);
    let call = backend.call.lock().unwrap().clone();
    Ok(Answer { status: head.status.as_u16(), headers: head.headers, body, cut, call })
}

/// The backend of the cases echoes where a method takes what it gives.
fn echoes(path: &str) -> bool {
    let find = |pool: &Pool| {
        let (service, name) = path.trim_start_matches('/').split_once('/')?;
        let method = pool.service(service)?.methods().find(|method| method.name() == name)?;
        Some(method.input().full_name() == method.output().full_name())
    };
    find(&POOL).or_else(|| find(&PATHS)).unwrap_or(false)
}

fn matches(case: &Case, pool: &Pool, answer: &Answer, expect: &Value) -> Result<(), String> {
    match expect["kind"].as_str().unwrap() {
        "rpc" => rpc(pool, answer, expect),
        "reject" => reject(answer, expect),
        "response" => response(case, answer, expect),
        other => panic!("no kind of expectation: {other}"),
    }
}

fn rpc(pool: &Pool, answer: &Answer, expect: &Value) -> Result<(), String> {
    let call = answer.call.as_ref().ok_or("nothing was called")?;
    let rpc = expect["rpc"].as_str().unwrap();
    if call.path.trim_start_matches('/') != rpc {
        return Err(format!("{} was called, not {rpc}", call.path));
    }
    let kind = expect["message_type"].as_str().unwrap_or("vectors.pathsets.v1.PathVars");
    let kind = pool.message(kind).unwrap();
    let canonical = |wire: &[u8]| -> Result<Value, String> {
        let mut json = Vec::new();
        wire_to_json(&kind, wire, &WriteOptions::default(), &mut json).map_err(|error| error.to_string())?;
        serde_json::from_slice(&json).map_err(|error| error.to_string())
    };
    let got = call.messages.iter().map(|message| canonical(message)).collect::<Result<Vec<_>, _>>()?;
    let messages = match &expect["messages"] {
        Value::Null => vec![variables(&expect["vars"])],
        messages => messages.as_array().unwrap().clone(),
    };
    let want = messages.iter().map(|message| {
        let mut wire = Vec::new();
        json_to_wire(&kind, message.to_string().as_bytes(), &ReadOptions::default(), &mut wire).unwrap();
        canonical(&wire).unwrap()
    });
    let want: Vec<Value> = want.collect();
    if got != want {
        return Err(format!("got {}, not {}", json!(got), json!(want)));
    }
    if !expect["http_status"].is_null() {
        status(answer, &expect["http_status"])?;
    }
    if expect["body_json"].is_null() { Ok(()) } else { same_json(&answer.body, &expect["body_json"]) }
}

/// `{"sub.id": "2"}` as a message.
fn variables(variables: &Value) -> Value {
    let mut message = Map::new();
    for (path, value) in variables.as_object().unwrap() {
        let mut at = &mut message;
        let mut names = path.split('.').peekable();
        while let Some(name) = names.next() {
            if names.peek().is_none() {
                at.insert(name.to_owned(), value.clone());
                break;
            }
            at = at.entry(name).or_insert_with(|| json!({})).as_object_mut().unwrap();
        }
    }
    Value::Object(message)
}

fn reject(answer: &Answer, expect: &Value) -> Result<(), String> {
    status(answer, &expect["http_status"])?;
    if let Some(call) = answer.call.as_ref().filter(|call| !call.messages.is_empty()) {
        return Err(format!("a message reached {}", call.path));
    }
    let Some(code) = expect["grpc_code"].as_i64() else { return Ok(()) };
    let body: Value = serde_json::from_slice(&answer.body).map_err(|_| "the error is no JSON")?;
    if body["code"] == code { Ok(()) } else { Err(format!("code {}, not {code}", body["code"])) }
}

fn status(answer: &Answer, expect: &Value) -> Result<(), String> {
    let fits = |expect: &Value| match expect {
        Value::Number(number) => number.as_u64() == Some(answer.status.into()),
        // "4xx"
        class => class.as_str().unwrap().as_bytes()[0] - b'0' == u8::try_from(answer.status / 100).unwrap(),
    };
    let fits = match expect {
        Value::Array(any) => any.iter().any(fits),
        one => fits(one),
    };
    if fits { Ok(()) } else { Err(format!("status {}, not {expect}", answer.status)) }
}

fn response(case: &Case, answer: &Answer, expect: &Value) -> Result<(), String> {
    status(answer, &expect["http_status"])?;
    if let Some(content_type) = expect["content_type"].as_str() {
        let given = answer.headers.get("content-type").map_or("", |value| value.to_str().unwrap());
        if given.split(';').next() != Some(content_type) {
            return Err(format!("content-type {given:?}, not {content_type:?}"));
        }
    }
    for (name, value) in expect["headers"].as_object().into_iter().flatten() {
        let given = answer.headers.get(name).map(|given| given.to_str().unwrap());
        if given != value.as_str() {
            return Err(format!("header {name}: {given:?}, not {value}"));
        }
    }
    body(case, answer, expect)
}

fn body(case: &Case, answer: &Answer, expect: &Value) -> Result<(), String> {
    if case.method == "HEAD" {
        return if answer.body.is_empty() { Ok(()) } else { Err("HEAD has a body".to_owned()) };
    }
    if let Some(text) = expect["body_text"].as_str()
        && answer.body != text
    {
        return Err(format!("the body is not {text:?}"));
    }
    if expect["body_b64"].is_string() && answer.body != case::bytes(&expect["body_b64"]) {
        return Err("the body has other bytes".to_owned());
    }
    if !expect["body_json"].is_null() {
        same_json(&answer.body, &expect["body_json"])?;
    }
    if let Some(subset) = expect["body_json_subset"].as_object() {
        let given: Value = serde_json::from_slice(&answer.body).map_err(|error| error.to_string())?;
        for (name, value) in subset {
            if &given[name] != value {
                return Err(format!("{name} is {}, not {value}", given[name]));
            }
        }
    }
    for name in expect["body_json_absent"].as_array().into_iter().flatten() {
        let given: Value = serde_json::from_slice(&answer.body).map_err(|error| error.to_string())?;
        if !given[name.as_str().unwrap()].is_null() {
            return Err(format!("{name} is there"));
        }
    }
    Ok(())
}

fn same_json(body: &[u8], expect: &Value) -> Result<(), String> {
    let given: Value =
        serde_json::from_slice(body).map_err(|error| format!("the body is no JSON: {error}"))?;
    if same(&given, expect) { Ok(()) } else { Err(format!("the body is not {expect}")) }
}

/// Numbers compare as doubles, or as floats if those are equal.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => {
            let (a, b) = (a.as_f64().unwrap(), b.as_f64().unwrap());
            #[expect(
                clippy::cast_possible_truncation,
                clippy::float_cmp,
                reason = "equality as float is meant"
            )]
            let equal = a == b || a as f32 == b as f32;
            equal
        }
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(name, a)| b.get(name).is_some_and(|b| same(a, b)))
        }
        _ => a == b,
    }
}

pub(super) fn template(template: &Template, expect: &Value) -> Result<(), String> {
    let segments: Vec<String> = template.segments.iter().map(ToString::to_string).collect();
    let variables = template.variables.iter().map(|variable| {
        json!({
            "field_path": variable.field_path.join("."),
            "start": variable.start,
            "end": variable.end,
            "multi": template.is_multi(variable),
        })
    });
    let variables: Vec<Value> = variables.collect();
    let verb = template.verb.clone().unwrap_or_default();
    let got = json!({"segments": segments, "variables": variables, "verb": verb});
    for name in ["segments", "variables", "verb"] {
        if got[name] != expect[name] {
            return Err(format!("{name}: {}, not {}", got[name], expect[name]));
        }
    }
    Ok(())
}
