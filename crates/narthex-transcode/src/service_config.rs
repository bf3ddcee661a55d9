//! The HTTP rules of a service config: YAML, or the JSON that is YAML too.
//!
//! `http: rules:` of google/api/service.proto, each with the `selector` of its method. Whatever else a service config
//! holds is not about HTTP, and is not read.

use narthex_protojson::{Custom, HttpRule, Pattern};
use serde::Deserialize;

/// A service config whose rules cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ServiceConfigError(String);

#[derive(Deserialize)]
struct ServiceConfig {
    #[serde(default)]
    http: Http,
}

#[derive(Default, Deserialize)]
struct Http {
    #[serde(default)]
    rules: Vec<Rule>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Rule {
    selector: String,
    get: Option<String>,
    put: Option<String>,
    post: Option<String>,
    delete: Option<String>,
    patch: Option<String>,
    custom: Option<CustomPattern>,
    body: String,
    #[serde(alias = "responseBody")]
    response_body: String,
    #[serde(alias = "additionalBindings")]
    additional_bindings: Vec<Rule>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CustomPattern {
    kind: String,
    path: String,
}

/// Reads the rules, each with the full name of its method, in the order of the file.
///
/// # Errors
///
/// If the text is not YAML, its rules have members that an `HttpRule` has not, or more than one HTTP method, or a rule
/// has no selector.
pub fn service_config(yaml: &str) -> Result<Vec<(String, HttpRule)>, ServiceConfigError> {
    let config: ServiceConfig =
        serde_saphyr::from_str(yaml).map_err(|error| ServiceConfigError(error.to_string()))?;
    let rules = config.http.rules.into_iter().enumerate().map(|(index, rule)| {
        if rule.selector.is_empty() {
            return Err(ServiceConfigError(format!("rule {} has no selector", index + 1)));
        }
        Ok((rule.selector.clone(), rule.into_rule()?))
    });
    rules.collect()
}

impl Rule {
    fn into_rule(self) -> Result<HttpRule, ServiceConfigError> {
        let custom = self.custom.map(|CustomPattern { kind, path }| Pattern::Custom(Custom { kind, path }));
        let patterns = [
            self.get.map(Pattern::Get),
            self.put.map(Pattern::Put),
            self.post.map(Pattern::Post),
            self.delete.map(Pattern::Delete),
            self.patch.map(Pattern::Patch),
            custom,
        ];
        let mut patterns = patterns.into_iter().flatten();
        let pattern = patterns.next();
        if patterns.next().is_some() {
            return Err(ServiceConfigError(format!("the rule of {} has two HTTP methods", self.selector)));
        }
        let additional_bindings =
            self.additional_bindings.into_iter().map(Self::into_rule).collect::<Result<_, _>>()?;
        Ok(HttpRule { pattern, body: self.body, response_body: self.response_body, additional_bindings })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_of_a_service_config() {
        let rules = service_config(
            "type: google.api.Service\n\
             name: shop.example.com\n\
             http:\n  \
               rules:\n  \
               - selector: shop.v1.ShopService.GetBook\n    \
                 get: /v2/{name=books/*}\n    \
                 additional_bindings:\n    \
                 - post: /v2/books:get\n      \
                   body: \"*\"\n  \
               - selector: shop.v1.ShopService.Probe\n    \
                 custom: {kind: HEAD, path: /v2/probe}\n    \
                 responseBody: state\n",
        )
        .unwrap();
        let [(first, get), (second, probe)] = &rules[..] else { panic!("{rules:?}") };
        assert_eq!(
            (first.as_str(), second.as_str()),
            ("shop.v1.ShopService.GetBook", "shop.v1.ShopService.Probe")
        );
        assert_eq!(get.pattern, Some(Pattern::Get("/v2/{name=books/*}".to_owned())));
        assert_eq!(get.additional_bindings[0].pattern, Some(Pattern::Post("/v2/books:get".to_owned())));
        assert_eq!(get.additional_bindings[0].body, "*");
        assert_eq!(probe.pattern.as_ref().map(Pattern::method), Some("HEAD"));
        assert_eq!(probe.response_body, "state");
        assert!(service_config("name: shop.example.com\n").unwrap().is_empty());
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (yaml, what) in [
            ("http: {rules: [{get: /a}]}", "rule 1 has no selector"),
            (
                "http: {rules: [{selector: a.B.C, get: /a, put: /b}]}",
                "the rule of a.B.C has two HTTP methods",
            ),
            ("http: {rules: [{selector: a.B.C, gett: /a}]}", "gett"),
            ("http: [", ""),
        ] {
            let error = service_config(yaml).unwrap_err().to_string();
            assert!(error.contains(what), "{yaml}: {error}");
        }
    }
}
