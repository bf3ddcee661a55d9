//! What the user says of the document: the parts that descriptors have no words for.

use serde_json::{Map, Value, json};

/// The members that a base may have; all else is made from descriptors.
const MEMBERS: [&str; 7] = ["openapi", "info", "servers", "security", "components", "tags", "externalDocs"];

/// The part of a document that the user wrote.
#[derive(Debug, Clone, Default)]
pub struct Base {
    members: Map<String, Value>,
}

/// Why a text is no base of a document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BaseError {
    /// It is neither YAML nor JSON, or no mapping.
    #[error("it is not YAML of an OpenAPI document: {0}")]
    Syntax(String),
    /// It has a member that is made from descriptors.
    #[error(
        "{0:?} is not for it to say: it may have info, servers, security, components, tags and externalDocs"
    )]
    Member(String),
    /// A member is not what OpenAPI has there.
    #[error("{member} has to be {kind}")]
    Kind {
        /// The member's name.
        member: String,
        /// What it has to be.
        kind: &'static str,
    },
    /// Something else than security schemes is among the components.
    #[error("components may have securitySchemes alone, not {0:?}")]
    Component(String),
    /// A requirement names a scheme that is not declared.
    #[error("security names {0:?}, which components.securitySchemes does not have")]
    Scheme(String),
}

impl Base {
    /// Reads YAML or JSON.
    ///
    /// # Errors
    ///
    /// If it is neither, or says something that is not its to say.
    pub fn parse(text: &str) -> Result<Self, BaseError> {
        let members: Map<String, Value> =
            serde_saphyr::from_str(text).map_err(|error| BaseError::Syntax(error.to_string()))?;
        let base = Self { members };
        base.check()?;
        Ok(base)
    }

    fn check(&self) -> Result<(), BaseError> {
        for (member, value) in &self.members {
            let (fits, kind) = match member.as_str() {
                "openapi" => (
                    value.as_str().is_some_and(|version| version.starts_with("3.1")),
                    "3.1, as the document is",
                ),
                "servers" | "security" | "tags" => (is_list_of_mappings(value), "a list of mappings"),
                "info" => (is_info(value), "a mapping, whose title and version are texts (in quotes)"),
                _ if MEMBERS.contains(&member.as_str()) => (value.is_object(), "a mapping"),
                _ => return Err(BaseError::Member(member.clone())),
            };
            if !fits {
                return Err(BaseError::Kind { member: member.clone(), kind });
            }
        }
        let components = self.members.get("components").and_then(Value::as_object);
        if let Some(other) = components.and_then(|all| all.keys().find(|name| *name != "securitySchemes")) {
            return Err(BaseError::Component(other.clone()));
        }
        let schemes = components.and_then(|all| all.get("securitySchemes"));
        if schemes.is_some_and(|schemes| !is_mapping_of_mappings(schemes)) {
            let member = "components.securitySchemes".to_owned();
            return Err(BaseError::Kind { member, kind: "a mapping of names to schemes" });
        }
        let schemes = schemes.and_then(Value::as_object);
        let requirements = self.members.get("security").and_then(Value::as_array).into_iter().flatten();
        for name in requirements.filter_map(Value::as_object).flat_map(Map::keys) {
            if !schemes.is_some_and(|schemes| schemes.contains_key(name)) {
                return Err(BaseError::Scheme(name.clone()));
            }
        }
        Ok(())
    }

    /// The document with these paths and schemas.
    pub(crate) fn with(
        &self,
        paths: Map<String, Value>,
        schemas: Map<String, Value>,
        tags: Vec<Value>,
    ) -> Value {
        let mut document = Map::from_iter([("openapi".to_owned(), json!("3.1.0"))]);
        document.extend(
            self.members
                .iter()
                .filter(|(member, _)| *member != "openapi")
                .map(|(member, value)| (member.clone(), value.clone())),
        );
        let info = document.entry("info").or_insert_with(|| json!({}));
        for (member, default) in [("title", "JSON API"), ("version", "0")] {
            if info.get(member).is_none() {
                info[member] = json!(default);
            }
        }
        document.insert("paths".to_owned(), Value::Object(paths));
        document.entry("components").or_insert_with(|| json!({}))["schemas"] = Value::Object(schemas);
        // The user's words on a tag go before those of its service.
        let own = document.entry("tags").or_insert_with(|| json!([]));
        if let Value::Array(own) = own {
            let new: Vec<Value> =
                tags.into_iter().filter(|tag| own.iter().all(|own| own["name"] != tag["name"])).collect();
            own.extend(new);
        }
        Value::Object(document)
    }
}

fn is_list_of_mappings(value: &Value) -> bool {
    value.as_array().is_some_and(|items| items.iter().all(Value::is_object))
}

fn is_mapping_of_mappings(value: &Value) -> bool {
    value.as_object().is_some_and(|members| members.values().all(Value::is_object))
}

fn is_info(value: &Value) -> bool {
    let is_text = |member| value.get(member).is_none_or(Value::is_string);
    value.is_object() && is_text("title") && is_text("version")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_says_only_what_is_its_own() {
        for (text, said) in [
            ("paths: {}", "\"paths\" is not for it to say"),
            ("info: shop", "info has to be a mapping"),
            ("info: {title: Shop, version: 1.0}", "title and version are texts"),
            ("info: {title: 5}", "title and version are texts"),
            ("servers: {}", "servers has to be a list"),
            ("tags: [shop]", "tags has to be a list of mappings"),
            ("openapi: 3.0.3", "openapi has to be 3.1"),
            ("components: {securitySchemes: [a]}", "components.securitySchemes has to be a mapping"),
            ("components: {schemas: {}}", "not \"schemas\""),
            ("security: [{key: []}]", "security names \"key\""),
            ("- 1", "it is not YAML"),
        ] {
            let error = Base::parse(text).unwrap_err().to_string();
            assert!(error.contains(said), "{text}: {error}");
        }
        let text = "{openapi: 3.1.0, components: {securitySchemes: {key: {type: http, scheme: bearer}}}, security: [{key: []}]}";
        assert!(Base::parse(text).is_ok());
    }
}
