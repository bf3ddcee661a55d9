//! For all templates, paths and bodies.

use narthex_transcode::Template;
use proptest::prelude::*;
use serde_json::json;

use crate::support::send;

fn segment() -> impl Strategy<Value = String> {
    prop_oneof![3 => "[a-z0-9._~-]{1,6}", 1 => Just("*".to_owned()), 1 => "[a-z]%[0-9A-F]{2}"]
}

fn template() -> impl Strategy<Value = String> {
    let variable = (segment(), proptest::option::of(proptest::collection::vec(segment(), 1..3)));
    let part = prop_oneof![
        3 => segment().prop_map(|text| (text, None)),
        1 => variable.prop_map(|(_, inner)| (String::new(), Some(inner))),
    ];
    let parts = proptest::collection::vec(part, 0..5);
    (parts, any::<bool>(), proptest::option::of("[a-z]{1,4}")).prop_map(|(parts, rest, verb)| {
        let mut text = String::new();
        for (index, (literal, variable)) in parts.iter().enumerate() {
            text.push('/');
            match variable {
                None => text.push_str(literal),
                Some(None) => text.extend(["{v", &index.to_string(), ".w}"]),
                Some(Some(inner)) => text.extend(["{v", &index.to_string(), "=", &inner.join("/"), "}"]),
            }
        }
        if rest || text.is_empty() {
            text.push_str("/**");
        }
        if let Some(verb) = verb {
            text.push(':');
            text.push_str(&verb);
        }
        text
    })
}

proptest! {
    #[test]
    fn a_template_survives_its_text(text in template()) {
        let parsed: Template = text.parse().unwrap();
        prop_assert_eq!(parsed.to_string().parse::<Template>().unwrap(), parsed);
    }

    #[test]
    fn rubbish_templates_do_no_harm(text in "[/a*{}=.:%é0]{0,20}") {
        if let Ok(parsed) = text.parse::<Template>() {
            prop_assert_eq!(parsed.to_string().parse::<Template>().unwrap(), parsed);
        }
    }

    #[test]
    fn any_text_comes_through_a_path_and_a_query(text in any::<String>(), id in any::<i64>()) {
        let escaped = percent_encoding::utf8_percent_encode(&text, percent_encoding::NON_ALPHANUMERIC).to_string();
        if !text.is_empty() {
            let got = send("GET", &format!("/api/any/{escaped}"), "");
            prop_assert_eq!(got.called("Any", "shop.v1.NameRequest"), json!({ "name": text }));
        }
        let got = send("GET", &format!("/api/books/{id}?tags={escaped}"), "");
        let called = got.called("GetBook", "shop.v1.GetBookRequest");
        prop_assert_eq!(&called["tags"], &json!([text]));
        prop_assert_eq!(called["id"].as_str().unwrap_or("0"), id.to_string());
    }

    #[test]
    fn rubbish_requests_get_an_answer(path in "/api/[ -~&&[^ #<>\"]]{0,30}", body in any::<String>()) {
        if let Ok(uri) = path.parse::<http::Uri>() {
            let got = send("POST", &uri.to_string(), &body);
            prop_assert!(got.status < 500, "{:?}", got);
        }
    }
}
