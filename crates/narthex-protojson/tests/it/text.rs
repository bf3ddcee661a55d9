//! Text to the wire of one field.

use narthex_protojson::{Field, ReadOptions, TextError, text_to_wire};

use crate::support::{kinds, read, write};

fn set(path: &str, text: &str, wire: &mut Vec<u8>) -> Result<(), TextError> {
    set_with(path, text, ReadOptions::default(), wire)
}

fn set_with(path: &str, text: &str, options: ReadOptions, wire: &mut Vec<u8>) -> Result<(), TextError> {
    let mut fields: Vec<Field> = Vec::new();
    for name in path.split('.') {
        let message = match fields.last().map(Field::kind) {
            Some(narthex_protojson::Kind::Message(message)) => message,
            _ => kinds(),
        };
        fields.push(message.field(name).unwrap());
    }
    text_to_wire(&fields, text, &options, wire)
}

#[test]
fn sets_a_field_of_any_kind() {
    for (path, text, json) in [
        ("i32", "-5", r#"{"i32":-5}"#),
        ("u64", "1e3", r#"{"u64":"1000"}"#),
        ("real", "NaN", r#"{"real":"NaN"}"#),
        ("yes", "true", r#"{"yes":true}"#),
        ("text", "a b", r#"{"text":"a b"}"#),
        ("raw", "AQI", r#"{"raw":"AQI="}"#),
        ("colour", "COLOUR_DARK", r#"{"colour":"COLOUR_DARK"}"#),
        ("colour", "1", r#"{"colour":"COLOUR_RED"}"#),
        ("maybe", "0", r#"{"maybe":0}"#),
        ("pick_text", "", r#"{"pickText":""}"#),
        ("numbers", "4", r#"{"numbers":[4]}"#),
        ("wrapped", "0", r#"{"wrapped":"0"}"#),
        ("at", "1970-01-01T00:00:00Z", r#"{"at":"1970-01-01T00:00:00Z"}"#),
        ("during", "-0.5s", r#"{"during":"-0.500s"}"#),
        ("mask", "aB,c", r#"{"mask":"aB,c"}"#),
        ("any_json", "x", r#"{"anyJson":"x"}"#),
        ("inner.inner.text", "deep", r#"{"inner":{"inner":{"text":"deep"}}}"#),
        ("during.seconds", "3", r#"{"during":"3s"}"#),
    ] {
        let mut wire = Vec::new();
        set(path, text, &mut wire).unwrap();
        assert_eq!(write(&kinds(), &wire).unwrap(), json, "{path}={text}");
    }
}

#[test]
fn finds_enum_values_in_any_case_if_told() {
    let any_case = ReadOptions { enums_in_any_case: true, ..ReadOptions::default() };
    for (path, json) in
        [("colour", r#"{"colour":"COLOUR_DARK"}"#), ("inner.colour", r#"{"inner":{"colour":"COLOUR_DARK"}}"#)]
    {
        let mut wire = Vec::new();
        assert!(set(path, "colour-dark", &mut wire).is_err());
        set_with(path, "colour-dark", any_case, &mut wire).unwrap();
        assert_eq!(write(&kinds(), &wire).unwrap(), json);
    }
}

#[test]
fn wins_over_what_came_before_also_with_a_default() {
    let mut wire =
        read(&kinds(), r#"{"i32": 5, "wrapped": 5, "during": "5.5s", "inner": {"text": "a", "i32": 5}}"#)
            .unwrap();
    for (path, text) in [("i32", "0"), ("wrapped", "0"), ("during", "1s"), ("inner.i32", "0")] {
        set(path, text, &mut wire).unwrap();
    }
    assert_eq!(write(&kinds(), &wire).unwrap(), r#"{"inner":{"text":"a"},"wrapped":"0","during":"1s"}"#);
}

#[test]
fn says_what_does_not_fit() {
    for (path, text, error) in [
        ("i32", "", "\"\" is no int32"),
        ("i32", "2147483648", "2147483648 does not fit int32"),
        ("u32", "-1", "-1 does not fit uint32"),
        ("real", "1e39", "1e39 does not fit float"),
        ("yes", "1", "\"1\" is no bool; it is true or false"),
        ("raw", "*", "\"*\" is no base64"),
        ("colour", "red", "\"red\" is no value of kinds.v1.Colour"),
        ("at", "now", "\"now\" is no timestamp such as 2024-02-29T12:00:00Z"),
        ("during", "1", "\"1\" is no duration such as 1.5s"),
        ("inner", "x", "text is no kinds.v1.Kinds"),
        ("object", "{}", "text is no google.protobuf.Struct"),
        ("by_text", "x", "a map cannot be given as text"),
    ] {
        assert_eq!(set(path, text, &mut Vec::new()).unwrap_err().to_string(), error, "{path}={text}");
    }
}

#[test]
fn a_path_goes_as_deep_as_protobuf_parsers_read() {
    let in_subs = |levels, name: &str| format!("{}{name}", "inner.".repeat(levels));
    for (name, text, levels) in [("i32", "1", 100), ("at", "1970-01-01T00:00:01Z", 99), ("wrapped", "1", 99)]
    {
        assert!(set(&in_subs(levels, name), text, &mut Vec::new()).is_ok(), "{name}");
        for levels in [levels + 1, 100_000] {
            let error = set(&in_subs(levels, name), text, &mut Vec::new()).unwrap_err();
            assert!(error.to_string().contains("nested deeper than 100"), "{name}: {error}");
        }
    }
}
