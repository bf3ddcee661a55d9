//! The cases of `conformance/`, at this layer.
//!
//! A case that comes out otherwise than it says has to be in `conformance/known-differences.json` with its reason, and an entry
//! there that no case needs fails too. Every case is held against the specification's options; those that say what
//! Envoy does (`impl:envoy`) against Envoy's.

mod backend;
mod case;
mod check;

use std::collections::BTreeMap;
use std::path::PathBuf;

use narthex_transcode::{Dialect, Template};
use serde_json::Value;

use case::Case;

const FILES: [&str; 5] = ["query_binding", "request_json", "response_json", "errors", "status_mapping"];

pub(crate) fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../conformance")
}

fn load(file: &str) -> Value {
    let path = folder().join("cases").join(file).with_extension("json");
    let text = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&text).unwrap()
}

/// Fails for each case that is neither as it says nor known to differ, and for each entry nobody needs.
fn hold(outcomes: impl IntoIterator<Item = (String, Result<(), String>)>, files: &[&str]) {
    let known = load("../known-differences");
    let mut known: BTreeMap<String, String> = known["narthex"]
        .as_object()
        .unwrap()
        .iter()
        .filter(|(_, entry)| files.contains(&entry["file"].as_str().unwrap()))
        .map(|(id, entry)| (id.clone(), entry["reason"].as_str().unwrap().to_owned()))
        .collect();
    let mut problems = Vec::new();
    for (id, outcome) in outcomes {
        match (outcome, known.remove(&id)) {
            (Ok(()), None) | (Err(_), Some(_)) => {}
            (Ok(()), Some(_)) => {
                problems.push(format!("{id} is as it says: take it off the known differences"));
            }
            (Err(why), None) => problems.push(format!("{id}: {why}")),
        }
    }
    problems.extend(known.keys().map(|id| format!("{id} is a known difference, but there is no such case")));
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
}

#[test]
fn exchanges() {
    let profiles = load("profiles");
    let mut outcomes = Vec::new();
    for file in FILES {
        let cases = load(file);
        let cases = cases["cases"].as_array().unwrap().iter().filter(|case| !case["http"].is_null());
        outcomes.extend(cases.map(|case| {
            let case = Case::of(case, &profiles["profiles"]);
            let outcome = check::exchange(&case);
            (case.id, outcome)
        }));
    }
    hold(outcomes, &FILES);
}

#[test]
fn paths() {
    let sets = load("path_match");
    let mut outcomes = Vec::new();
    for set in sets["sets"].as_array().unwrap() {
        for (index, request) in set["requests"].as_array().unwrap().iter().enumerate() {
            let case = Case::of_path(set, index, request);
            let outcome = check::exchange(&case);
            outcomes.push((case.id, outcome));
        }
    }
    hold(outcomes, &["path_match"]);
}

#[test]
fn templates() {
    let cases = load("http_template");
    let outcomes = cases["cases"].as_array().unwrap().iter().map(|case| {
        let text = case["template"].as_str().unwrap();
        let parse =
            |dialect| match (Template::parse(text, dialect), case["expect"]["valid"].as_bool().unwrap()) {
                (Ok(template), true) => check::template(&template, &case["expect"]),
                (Err(_), false) => Ok(()),
                (Ok(_), false) => Err(format!("{text} parses as {dialect:?}")),
                (Err(error), true) => Err(format!("{text} does not parse as {dialect:?}: {error}")),
            };
        // What Envoy agrees with holds where templates are read as it reads them, too.
        let outcome = match (case["level"] == "impl:envoy", case["envoy_agrees"] == true) {
            (true, _) => parse(Dialect::Envoy),
            (false, true) => parse(Dialect::Specification).and_then(|()| parse(Dialect::Envoy)),
            (false, false) => parse(Dialect::Specification),
        };
        (case["id"].as_str().unwrap().to_owned(), outcome)
    });
    hold(outcomes.collect::<Vec<_>>(), &["http_template"]);
}
