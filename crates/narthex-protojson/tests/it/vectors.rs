//! The cases of `conformance/cases/protojson.json`: what a text is, or that it is refused.
//!
//! The wire of a case was written by protobuf's own library, so both directions are held against a second opinion.

use std::path::PathBuf;

use narthex_protojson::{Pool, ReadOptions};
use prost_reflect::{DescriptorPool, DynamicMessage};
use serde_json::Value;

use crate::support::{compile, read_with, same, write};

struct Judge {
    pool: Pool,
    descriptors: DescriptorPool,
}

impl Judge {
    fn new() -> Self {
        let proto = std::fs::read_to_string(folder().join("proto/vectors.proto")).unwrap();
        let google = |name: &str| {
            let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("proto").join(name);
            std::fs::read_to_string(path).unwrap()
        };
        let names = ["google/api/annotations.proto", "google/api/http.proto", "google/api/httpbody.proto"];
        let sources = names.map(google);
        let mut files: Vec<(&str, &str)> = vec![("vectors.proto", &proto)];
        files.extend(names.iter().zip(&sources).map(|(name, source)| (*name, source.as_str())));
        let set = compile(&files);
        Self {
            pool: Pool::from_file_descriptor_set(&set).unwrap(),
            descriptors: DescriptorPool::decode(&set[..]).unwrap(),
        }
    }

    /// What is wrong with how a text is read and written, held against one of the outcomes the case allows.
    fn hold(&self, case: &Value, expect: &Value) -> Result<(), String> {
        let name = case["message_type"].as_str().unwrap();
        let message = self.pool.message(name).unwrap();
        let ignore_unknown = case["ignore_unknown_fields"].as_bool().unwrap();
        let options = ReadOptions { ignore_unknown, ..ReadOptions::default() };
        let ours = match (read_with(&message, case["json_in"].as_str().unwrap(), options), &expect["kind"]) {
            (Err(_), kind) if kind == "reject" => return Ok(()),
            (Ok(_), kind) if kind == "reject" => return Err("it is read".to_owned()),
            (read, _) => read.map_err(|error| error.to_string())?,
        };
        let printed: Value =
            serde_json::from_str(&write(&message, &ours).map_err(|error| error.to_string())?)
                .map_err(|error| error.to_string())?;
        let wanted = &expect["messages"][0];
        if !same(&printed, wanted) {
            return Err(format!("{printed} is printed, not {wanted}"));
        }
        let Some(base64) = expect["messages_b64"][0].as_str() else { return Ok(()) };
        let theirs = base64::Engine::decode(&base64::prelude::BASE64_STANDARD, base64).unwrap();
        let descriptor = self.descriptors.get_message_by_name(name).unwrap();
        let decode = |wire: &[u8]| DynamicMessage::decode(descriptor.clone(), wire).unwrap();
        if decode(&ours) == decode(&theirs) { Ok(()) } else { Err(format!("{ours:?} is no {theirs:?}")) }
    }
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../conformance")
}

#[test]
fn every_text_is_what_it_is_elsewhere() {
    let judge = Judge::new();
    let text = std::fs::read(folder().join("cases/protojson.json")).unwrap();
    let cases: Value = serde_json::from_slice(&text).unwrap();
    let cases = cases["cases"].as_array().unwrap();
    assert!(cases.len() > 200);
    let mut problems = Vec::new();
    for case in cases {
        let others = case["also_acceptable"].as_array().map(Vec::as_slice).unwrap_or_default();
        let first = judge.hold(case, &case["expect"]);
        if let Err(why) = first
            && others.iter().all(|other| judge.hold(case, other).is_err())
        {
            problems.push(format!("{}: {}: {why}", case["id"], case["title"]));
        }
    }
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
}
