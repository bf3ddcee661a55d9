//! ProtoJSON text to wire.

use narthex_protojson::{ReadOptions, element_json_to_wire, field_json_to_wire, json_to_wire};
use serde_json::json;

use crate::support::{POOL, canonical, kinds, read, read_with, write};

#[test]
fn wire_is_what_protobuf_would_write() {
    for (json, wire) in [
        ("{}", &b""[..]),
        (r#"{"i32": 150}"#, b"\x08\x96\x01"),
        (r#"{"i32": -1}"#, b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
        (r#"{"s32": -2}"#, b"\x28\x03"),
        (r#"{"sf32": -1, "dbl": 1}"#, b"\x4d\xff\xff\xff\xff\x61\0\0\0\0\0\0\xf0\x3f"),
        (r#"{"i32": 0, "text": "", "yes": false, "colour": 0}"#, b""),
        (r#"{"maybe": 0}"#, b"\x90\x01\x00"),
        (r#"{"pickText": ""}"#, b"\x9a\x01\x00"),
        (r#"{"inner": {}}"#, b"\x8a\x01\x00"),
        (r#"{"numbers": [1, 2]}"#, b"\xf2\x01\x02\x01\x02"),
        (r#"{"numbers": []}"#, b""),
        (r#"{"texts": ["", "a"]}"#, b"\xfa\x01\x00\xfa\x01\x01a"),
        (r#"{"byText": {"k": 0}}"#, b"\x92\x02\x05\x0a\x01k\x10\x00"),
        (r#"{"wrapped": 0}"#, b"\xc2\x02\x00"),
        (r#"{"wrapped": "5"}"#, b"\xc2\x02\x02\x08\x05"),
    ] {
        assert_eq!(read(&kinds(), json).unwrap(), wire, "{json}");
    }
}

#[test]
fn names_are_json_names_or_proto_names() {
    let expect = json!({"i32": 1, "shown-as": "a", "wrappedText": "b"});
    assert_eq!(canonical(&kinds(), r#"{"i32": 1, "shown-as": "a", "wrappedText": "b"}"#), expect);
    assert_eq!(canonical(&kinds(), r#"{"i32": 1, "renamed": "a", "wrapped_text": "b"}"#), expect);
}

#[test]
fn every_kind_survives() {
    let json = json!({
        "i32": i32::MIN, "i64": i64::MIN.to_string(), "u32": u32::MAX, "u64": u64::MAX.to_string(),
        "s32": i32::MIN, "s64": i64::MAX.to_string(), "f32": u32::MAX, "f64": u64::MAX.to_string(),
        "sf32": i32::MIN, "sf64": i64::MIN.to_string(), "real": 1.5, "dbl": 5e-324, "yes": true,
        "text": "a\"\\\u{1}\u{2028}é😀", "raw": "AP8=", "colour": "COLOUR_DARK",
        "inner": {"inner": {"maybe": 0}}, "maybe": 0, "pickNull": null,
        "numbers": [1, -1, 0], "texts": ["", "b"], "inners": [{}, {"i32": 1}], "colours": ["COLOUR_RED", 7],
        "byText": {"": 1, "b": 0}, "byFlag": {"false": {}, "true": {"i32": 1}}, "byNumber": {"-3": "COLOUR_RED"},
        "wrapped": "0", "wrappedReal": "NaN", "wrappedText": "",
        "at": "2024-02-29T23:59:59.123456789Z", "during": "-1.500s", "mask": "aB,c.dE",
        "object": {"a": [null, {"b": 1.5}, "c", false]}, "anyJson": null, "list": [1, [], {}],
        "any": {"@type": "type.googleapis.com/kinds.v1.Kinds", "i32": 5},
    });
    assert_eq!(canonical(&kinds(), &json.to_string()), json);
}

#[test]
fn lenient_where_the_specification_is() {
    for (given, expect) in [
        (json!({"i32": "1e2", "i64": 3.0, "u64": "7"}), json!({"i32": 100, "i64": "3", "u64": "7"})),
        (json!({"dbl": "Infinity", "real": "-2.5"}), json!({"dbl": "Infinity", "real": -2.5})),
        (json!({"colour": 1, "colours": ["1"]}), json!({"colour": "COLOUR_RED", "colours": ["COLOUR_RED"]})),
        (json!({"raw": "_-8"}), json!({"raw": "/+8="})),
        (json!({"text": null, "inner": null, "numbers": null, "byText": null, "at": null}), json!({})),
        (json!({"at": "2024-01-01T01:00:00+01:00"}), json!({"at": "2024-01-01T00:00:00Z"})),
        (
            json!({"any": {"value": "3s", "@type": "a.b/google.protobuf.Duration"}}),
            json!({"any": {"@type": "a.b/google.protobuf.Duration", "value": "3s"}}),
        ),
        (json!({"any": {}}), json!({"any": {}})),
        (
            json!({"any": {"@type": "a.b/google.protobuf.Empty"}}),
            json!({"any": {"@type": "a.b/google.protobuf.Empty"}}),
        ),
        (
            json!({"any": {"value": {}, "@type": "a.b/google.protobuf.Empty"}}),
            json!({"any": {"@type": "a.b/google.protobuf.Empty"}}),
        ),
    ] {
        assert_eq!(canonical(&kinds(), &given.to_string()), expect, "{given}");
    }
}

#[test]
fn any_may_have_its_type_last() {
    let last = r#"{"any": {"i32": 1, "inner": {"text": "x"}, "@type": "t/kinds.v1.Kinds"}}"#;
    let first = r#"{"any": {"@type": "t/kinds.v1.Kinds", "i32": 1, "inner": {"text": "x"}}}"#;
    assert_eq!(read(&kinds(), last).unwrap(), read(&kinds(), first).unwrap());
}

#[test]
fn errors_say_what_and_where() {
    for (json, error) in [
        ("", "the text ends where a value should be at line 1 column 1"),
        ("[]", "a list is no kinds.v1.Kinds at line 1 column 1"),
        ("null", "null is no kinds.v1.Kinds at line 1 column 1"),
        ("{\"nope\": 1}", "kinds.v1.Kinds has no field \"nope\" at line 1 column 2"),
        ("{\n \"i32\": 1.5}", "i32: 1.5 is no int32 at line 2 column 9"),
        ("{\"i32\": 2147483648}", "i32: 2147483648 does not fit int32 at line 1 column 9"),
        ("{\"u32\": -1}", "u32: -1 does not fit uint32 at line 1 column 9"),
        ("{\"real\": 4e38}", "real: 4e38 does not fit float at line 1 column 10"),
        ("{\"yes\": \"true\"}", "yes: a string is no bool at line 1 column 9"),
        ("{\"text\": 1}", "text: a number is no string at line 1 column 10"),
        ("{\"raw\": \"*\"}", "raw: \"*\" is no base64 at line 1 column 9"),
        ("{\"colour\": \"red\"}", "colour: \"red\" is no value of kinds.v1.Colour at line 1 column 12"),
        ("{\"inner\": 1}", "inner: a number is no kinds.v1.Kinds at line 1 column 11"),
        (
            "{\"inners\": [{}, {\"inner\": {\"i32\": \"\"}}]}",
            "inners[1].inner.i32: \"\" is no int32 at line 1 column 35",
        ),
        ("{\"numbers\": 1}", "numbers: a number is no list of int32 at line 1 column 13"),
        ("{\"numbers\": [null]}", "numbers[0]: null is no int32 at line 1 column 14"),
        ("{\"byNumber\": {\"1.0\": 0}}", "byNumber[\"1.0\"]: \"1.0\" is no int64 at line 1 column 15"),
        (
            "{\"byFlag\": {\"true\": {\"i32\": []}}}",
            "byFlag[\"true\"].i32: a list is no int32 at line 1 column 29",
        ),
        ("{\"i32\": 1, \"i32\": 2}", "i32: it is given twice at line 1 column 12"),
        ("{\"wrapped\": 1, \"wrapped\": null}", "wrapped: it is given twice at line 1 column 16"),
        (
            "{\"pickText\": \"a\", \"pickInner\": {}}",
            "more than one field of oneof choice is set at line 1 column 19",
        ),
        (
            "{\"at\": \"2024-01-01\"}",
            "at: \"2024-01-01\" is no timestamp such as 2024-02-29T12:00:00Z at line 1 column 8",
        ),
        (
            "{\"mask\": \"a_b\"}",
            "mask: \"a_b\" is no path of a field mask; write it in camel case, as fooBar at line 1 column 10",
        ),
        (
            "{\"any\": {\"i32\": 1}}",
            "any: an Any needs an \"@type\" such as \"type.googleapis.com/pkg.Message\" at line 1 column 9",
        ),
        (
            "{\"any\": {\"@type\": \"t/no.Such\"}}",
            "any: the type \"t/no.Such\" of an Any is not known to this server at line 1 column 19",
        ),
        ("{\"i32\": 1}x", "there is something after the value at line 1 column 11"),
        ("{\"text\": \"\\ud800\"}", "text: an escape JSON does not have at line 1 column 11"),
    ] {
        assert_eq!(read(&kinds(), json).unwrap_err().to_string(), error, "{json}");
    }
}

#[test]
fn the_unknown_can_be_ignored() {
    let options = ReadOptions { ignore_unknown: true, ..ReadOptions::default() };
    let json = r#"{"nope": {"a": [1]}, "i32": 1, "colour": "NEW", "colours": ["NEW", "COLOUR_RED"],
                   "byNumber": {"1": "NEW", "2": "COLOUR_RED"}}"#;
    let wire = read_with(&kinds(), json, options).unwrap();
    assert_eq!(
        write(&kinds(), &wire).unwrap(),
        r#"{"i32":1,"colours":["COLOUR_RED"],"byNumber":{"2":"COLOUR_RED"}}"#
    );
    assert!(read_with(&kinds(), r#"{"nope": {"a": }}"#, options).is_err());
}

#[test]
fn enums_in_any_case() {
    let options = ReadOptions { enums_in_any_case: true, ..ReadOptions::default() };
    let json = r#"{"colour": "colour-dark", "colours": ["Colour_Red", "COLOUR_RED"]}"#;
    let wire = read_with(&kinds(), json, options).unwrap();
    let expect = r#"{"colour":"COLOUR_DARK","colours":["COLOUR_RED","COLOUR_RED"]}"#;
    assert_eq!(write(&kinds(), &wire).unwrap(), expect);
    assert!(read(&kinds(), json).is_err());
    assert!(read_with(&kinds(), r#"{"colour": "red"}"#, options).is_err());
}

#[test]
fn numbers_are_exact_and_never_computed_at_length() {
    let digits = "9".repeat(1_000_000);
    for (json, error) in [
        (r#"{"i64": 1e999999999}"#.to_owned(), "i64: 1e999999999 is no int64"),
        (r#"{"i64": "1e999999999"}"#.to_owned(), "i64: \"1e999999999\" is no int64"),
        (r#"{"dbl": 1e999999999}"#.to_owned(), "dbl: 1e999999999 does not fit double"),
        (r#"{"dbl": 1e99999999999999999999}"#.to_owned(), "dbl: 1e99999999999999999999 does not fit double"),
        (r#"{"anyJson": -1e309}"#.to_owned(), "anyJson: -1e309 does not fit double"),
        (format!(r#"{{"u64": {digits}}}"#), "u64: 9999999999999999999999999999999999999999... is no uint64"),
        (
            format!(r#"{{"dbl": {digits}}}"#),
            "dbl: 9999999999999999999999999999999999999999... does not fit double",
        ),
        (r#"{"i64": 9223372036854775808}"#.to_owned(), "i64: 9223372036854775808 does not fit int64"),
        (r#"{"u64": 18446744073709551616}"#.to_owned(), "u64: 18446744073709551616 is no uint64"),
    ] {
        let found = read(&kinds(), &json).unwrap_err().to_string();
        assert!(found.starts_with(error), "{found}");
    }
    let zeros = "0".repeat(1_000_000);
    let wire = read(&kinds(), &format!(r#"{{"i64": 9007199254740993.{zeros}, "dbl": 0.{zeros}1}}"#)).unwrap();
    assert_eq!(write(&kinds(), &wire).unwrap(), r#"{"i64":"9007199254740993"}"#);
}

#[test]
fn what_is_refused_is_quoted_in_part_and_leaves_no_trace() {
    let long = "x".repeat(1_000_000);
    for json in [
        format!(r#"{{"i32": "{long}"}}"#),
        format!(r#"{{"colour": "{long}"}}"#),
        format!(r#"{{"raw": "*{long}"}}"#),
        format!(r#"{{"{long}": 1}}"#),
        format!(r#"{{"any": {{"@type": "{long}"}}}}"#),
        format!(r#"{{"text": "a", "byNumber": {{"{long}": 1}}}}"#),
    ] {
        let mut out = b"kept".to_vec();
        let error = json_to_wire(&kinds(), json.as_bytes(), &ReadOptions::default(), &mut out).unwrap_err();
        assert!(error.to_string().len() < 400, "{}", error.to_string().len());
        assert_eq!(out, b"kept");
    }
    for json in [&b"{\"text\": \"a\xff\"}"[..], b"\xff", b"{\"\xc3\": 1}", b"{\"text\": \"\xed\xa0\x80\"}"] {
        let error = json_to_wire(&kinds(), json, &ReadOptions::default(), &mut Vec::new()).unwrap_err();
        assert_eq!(error.message, "the text is no UTF-8", "{json:?}");
    }
}

/// `levels` times `open`, then `inside`, then as many times `close`.
#[test]
fn names_that_no_schema_has_are_repeated_in_part() {
    let long = "x".repeat(100_000);
    let unknown = ReadOptions { ignore_unknown: true, ..ReadOptions::default() };
    for (json, options) in [
        (format!(r#"{{"object": {{"{long}": {{"k": 1e999}}}}}}"#), ReadOptions::default()),
        (format!(r#"{{"anyJson": {{"{long}": [1e999]}}}}"#), ReadOptions::default()),
        (format!(r#"{{"byText": {{"{long}": "x"}}}}"#), ReadOptions::default()),
        (format!(r#"{{"{long}": [}}"#), unknown),
    ] {
        let error = read_with(&kinds(), &json, options).unwrap_err();
        assert!(error.path.contains("xxx") && error.path.len() < 200, "{} bytes", error.path.len());
        assert!(error.to_string().len() < 400, "{} bytes", error.to_string().len());
    }
    let error = read(&kinds(), r#"{"object": {"short": 1e999}}"#).unwrap_err();
    assert_eq!(error.path, "object.short");
}

fn nested(levels: usize, open: &str, inside: &str, close: &str) -> String {
    format!("{}{inside}{}", open.repeat(levels), close.repeat(levels))
}

#[test]
fn messages_nest_as_deep_as_protobuf_parsers_read() {
    let sub = |levels, inside: &str| nested(levels, r#"{"inner":"#, inside, "}");
    let struct_in = |levels| format!(r#"{{"anyJson": {}}}"#, nested(levels, r#"{"k":"#, "null", "}"));
    let list_in = |levels| format!(r#"{{"list": {}}}"#, nested(levels, "[", "", "]"));
    let any_in = |levels| {
        sub(99, &format!(r#"{{"any": {{"@type": "t/kinds.v1.Kinds", "inner": {}}}}}"#, sub(levels, "{}")))
    };
    // The last that fits, and the first that does not. A map's entry is a message; so are a Struct, its entries, a Value
    // and a ListValue.
    for (fits, too_deep, path) in [
        (sub(100, "{}"), sub(101, "{}"), ["inner"; 101].join(".")),
        (
            sub(99, r#"{"at": "1970-01-01T00:00:01Z"}"#),
            sub(100, r#"{"at": "1970-01-01T00:00:01Z"}"#),
            String::new(),
        ),
        (sub(99, r#"{"wrapped": 1}"#), sub(100, r#"{"wrapped": 1}"#), String::new()),
        (sub(99, r#"{"byText": {"k": 1}}"#), sub(100, r#"{"byText": {"k": 1}}"#), String::new()),
        (sub(98, r#"{"byFlag": {"true": {}}}"#), sub(99, r#"{"byFlag": {"true": {}}}"#), String::new()),
        (sub(99, r#"{"anyJson": null}"#), sub(100, r#"{"anyJson": null}"#), String::new()),
        (struct_in(33), struct_in(34), format!("anyJson{}", ".k".repeat(33))),
        // The innermost list is empty: a ListValue without a Value.
        (list_in(50), list_in(51), format!("list{}", "[0]".repeat(50))),
        (sub(99, r#"{"object": {}}"#), sub(99, r#"{"object": {"k": 1}}"#), String::new()),
    ] {
        let wire = read(&kinds(), &fits).unwrap_or_else(|error| panic!("{fits}: {error}"));
        assert!(write(&kinds(), &wire).is_ok(), "{fits}");
        let error = read(&kinds(), &too_deep).unwrap_err();
        assert_eq!(
            error.message, "messages are nested deeper than 100, the limit of protobuf parsers",
            "{too_deep}"
        );
        assert!(error.line == 1 && error.column > 0, "{error}");
        assert!(path.is_empty() || error.path == path, "{error}");
    }
    // What an Any holds is bytes to a parser, and counts from its own top.
    assert!(read(&kinds(), &any_in(10)).is_ok());
}

#[test]
fn a_field_alone_counts_as_nested_in_its_message() {
    let inner = |levels| {
        let json = nested(levels, r#"{"inner":"#, "{}", "}");
        let mut wire = Vec::new();
        field_json_to_wire(
            &kinds().field("inner").unwrap(),
            json.as_bytes(),
            &ReadOptions::default(),
            &mut wire,
        )
    };
    assert!(inner(99).is_ok());
    assert!(inner(100).unwrap_err().message.contains("nested deeper than 100"));
}

#[test]
fn json_that_is_kept_for_later_has_a_limit_too() {
    let any = |levels| {
        format!(
            r#"{{"any": {{"value": {}, "@type": "t/google.protobuf.ListValue"}}}}"#,
            nested(levels, "[", "", "]")
        )
    };
    assert!(read(&kinds(), &any(50)).is_ok());
    assert!(read(&kinds(), &any(60)).unwrap_err().message.contains("nested deeper than 100"));
    assert!(read(&kinds(), &any(10_000)).unwrap_err().message.contains("nested deeper than 200"));
}

#[test]
fn a_field_alone() {
    let field = |name: &str, json: &str| {
        let mut wire = b"kept".to_vec();
        field_json_to_wire(&kinds().field(name).unwrap(), json.as_bytes(), &ReadOptions::default(), &mut wire)
            .map(|()| wire.split_off(4))
    };
    assert_eq!(field("text", "\"a\"").unwrap(), b"\x72\x01a");
    assert_eq!(field("numbers", "[1]").unwrap(), b"\xf2\x01\x01\x01");
    assert_eq!(field("inner", "{}").unwrap(), b"\x8a\x01\x00");
    assert_eq!(field("inner", "null").unwrap(), b"");
    assert_eq!(field("any_json", "null").unwrap(), b"\xfa\x02\x02\x08\x00");
    assert_eq!(field("inners", "[{\"i32\": \"x\"}]").unwrap_err().path, "inners[0].i32");
}

#[test]
fn an_element_alone() {
    let element = |name: &str, json: &str| {
        let (field, mut wire) = (kinds().field(name).unwrap(), b"kept".to_vec());
        element_json_to_wire(&field, json.as_bytes(), &ReadOptions::default(), &mut wire)
            .map(|()| wire.split_off(4))
    };
    // A parser takes numbers that are not packed, too.
    assert_eq!(element("numbers", "0").unwrap(), b"\xf0\x01\x00");
    assert_eq!(element("texts", "\"\"").unwrap(), b"\xfa\x01\x00");
    assert_eq!(element("inners", " {} ").unwrap(), b"\x82\x02\x00");
    for (json, path) in [("{\"i32\": \"x\"}", "inners.i32"), ("null", "inners"), ("{}, {}", "")] {
        assert_eq!(element("inners", json).unwrap_err().path, path, "{json}");
    }
}

#[test]
fn proto2() {
    let old = POOL.message("legacy.v1.Old").unwrap();
    let json = json!({
        "name": "", "count": 0, "level": "LOW", "extra": {"size": 1}, "loose": [1, 2], "[legacy.v1.nickname]": "n"
    });
    assert_eq!(canonical(&old, &json.to_string()), json);
    assert_eq!(read(&old, r#"{"extra": {"size": 1}, "loose": [1]}"#).unwrap(), b"\x23\x08\x01\x24\x28\x01");
}
