//! Wire to ProtoJSON text.

use narthex_protojson::{WriteOptions, wire_to_field_json, wire_to_json};

use crate::support::{POOL, kinds, read, write, write_with};

#[test]
fn the_text_is_the_same_every_time() {
    let json = r#"{"byText":{"b":2,"a":1,"c":3},"i32":1,"dbl":100.0,"real":0.1,"object":{"z":1,"y":1e21}}"#;
    let expect = r#"{"i32":1,"real":0.1,"dbl":100,"byText":{"a":1,"b":2,"c":3},"object":{"y":1e+21,"z":1}}"#;
    assert_eq!(write(&kinds(), &read(&kinds(), json).unwrap()).unwrap(), expect);
}

#[test]
fn pieces_of_a_message_are_one() {
    // i32 twice, inner twice, the elements of a list apart and unpacked, an unknown field.
    let wire = b"\x08\x05\x8a\x01\x02\x08\x01\xf0\x01\x01\x08\x06\x8a\x01\x03\x72\x01x\xf2\x01\x02\x02\x03\xf8\x3f\x01";
    assert_eq!(write(&kinds(), wire).unwrap(), r#"{"i32":6,"inner":{"i32":1,"text":"x"},"numbers":[1,2,3]}"#);
    // A map entry without key and value.
    assert_eq!(write(&kinds(), b"\x92\x02\x00").unwrap(), r#"{"byText":{"":0}}"#);
}

#[test]
fn of_a_oneof_the_last_member_counts() {
    // pick_text "a", pick_inner {i32: 1}, pick_text "b".
    let (text_a, inner, text_b) = (b"\x9a\x01\x01a", b"\xa2\x01\x02\x08\x01", b"\x9a\x01\x01b");
    for (wire, expect) in [
        ([&text_a[..], inner].concat(), r#"{"pickInner":{"i32":1}}"#),
        ([&text_a[..], inner, text_b].concat(), r#"{"pickText":"b"}"#),
        // What a member had before another one was set is gone; what it gets in two pieces is one.
        ([&inner[..], text_a, b"\xa2\x01\x02\x28\x02"].concat(), r#"{"pickInner":{"s32":1}}"#),
        (
            [&inner[..], b"\x08\x05", b"\xa2\x01\x02\x28\x02"].concat(),
            r#"{"i32":5,"pickInner":{"i32":1,"s32":1}}"#,
        ),
    ] {
        assert_eq!(write(&kinds(), &wire).unwrap(), expect, "{wire:?}");
    }
}

#[test]
fn what_parsers_take_for_unknown_is_left_out() {
    for (wire, expect) in [
        // i32 as a string, text as a number, a default that is on the wire, an empty packed list.
        (&b"\x0a\x01x"[..], "{}"),
        (b"\x70\x01", "{}"),
        (b"\x08\x00", "{}"),
        (b"\xf2\x01\x00", "{}"),
        // A field nobody knows that is a group with a group in it.
        (b"\xa3\x06\xab\x06\x08\x01\xac\x06\xa4\x06\x08\x01", r#"{"i32":1}"#),
        // Of a varint 32 bits count, before its sign is unfolded.
        (b"\x08\x81\x80\x80\x80\x10", r#"{"i32":1}"#),
        (b"\x28\x82\x80\x80\x80\x10", r#"{"s32":1}"#),
        (b"\x08\x80\x80\x80\x80\x10\x80\x01\x80\x80\x80\x80\x10", "{}"),
    ] {
        assert_eq!(write(&kinds(), wire).unwrap(), expect, "{wire:?}");
    }
    let old = POOL.message("legacy.v1.Old").unwrap();
    assert_eq!(write(&old, b"\x18\x02\x18\x09").unwrap(), r#"{"level":"HIGH"}"#);
}

#[test]
fn wire_that_is_none_is_refused_wherever_it_breaks() {
    for wire in [
        &b"\x08"[..],
        b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        b"\x61\0\0",
        b"\x72\x05a",
        b"\x72\xff\xff\xff\xff\x0f",
        b"\0\0",
        b"\x0e",
        b"\x0c",
        b"\xa3\x06",
        b"\xa3\x06\xac\x06",
        b"\x8a\x01\x02\x08\x80",
        b"\xf2\x01\x02\x01\x80",
    ] {
        let mut out = b"kept".to_vec();
        let error = wire_to_json(&kinds(), wire, &WriteOptions::default(), &mut out).unwrap_err();
        assert!(error.to_string().starts_with("these bytes are no "), "{wire:?}: {error}");
        assert_eq!(out, b"kept", "{wire:?}");
    }
    // A group in a group in a group, deeper than anybody reads.
    assert!(write(&kinds(), &b"\xa3\x06".repeat(1000)).is_err());
}

#[test]
fn white_space() {
    let wire = read(&kinds(), r#"{"i32":1,"numbers":[1,2],"texts":[],"inner":{},"byText":{"a":1}}"#).unwrap();
    let options = WriteOptions { whitespace: true, ..WriteOptions::default() };
    assert_eq!(
        write_with(&kinds(), &wire, options).unwrap(),
        "{\n \"i32\": 1,\n \"inner\": {},\n \"numbers\": [\n  1,\n  2\n ],\n \"byText\": {\n  \"a\": 1\n }\n}"
    );
}

#[test]
fn options() {
    let wire = read(&kinds(), r#"{"wrappedText": "a", "colour": "COLOUR_RED"}"#).unwrap();
    let proto_names = WriteOptions { proto_names: true, ..WriteOptions::default() };
    assert_eq!(
        write_with(&kinds(), &wire, proto_names).unwrap(),
        r#"{"colour":"COLOUR_RED","wrapped_text":"a"}"#
    );
    let ints = WriteOptions { enums_as_ints: true, ..WriteOptions::default() };
    assert_eq!(write_with(&kinds(), &wire, ints).unwrap(), r#"{"colour":1,"wrappedText":"a"}"#);
    let always = WriteOptions { always_print: true, ..WriteOptions::default() };
    let text = write_with(&kinds(), &wire, always).unwrap();
    assert!(text.starts_with(r#"{"i32":0,"i64":"0","#), "{text}");
    assert!(text.contains(r#""numbers":[],"#) && text.contains(r#""byText":{},"#), "{text}");
    assert!(!text.contains("maybe") && !text.contains("pick") && !text.contains("inner\""), "{text}");
}

#[test]
fn a_path_of_nothing_is_none() {
    let wire = b"\xea\x02\x0a\x0a\x00\x0a\x01a\x0a\x00\x0a\x01b";
    assert_eq!(write(&kinds(), wire).unwrap(), r#"{"mask":"a,b"}"#);
}

#[test]
fn what_has_no_json_is_an_error() {
    for (wire, error) in [
        (&b"\xff"[..], "these bytes are no kinds.v1.Kinds"),
        (b"\x72\x01\xff", "the string kinds.v1.Kinds.text is no UTF-8"),
        (b"\xda\x02\x07\x08\x80\x83\xd1\xff\xaf\x07", "a Timestamp is out of the years 1 to 9999"),
        (b"\xe2\x02\x04\x08\x01\x10\x00", ""),
        (b"\xea\x02\x03\x0a\x01A", "the path \"A\" of a FieldMask"),
        (b"\xea\x02\x05\x0a\x03a,b", "the path \"a,b\" of a FieldMask"),
        (
            b"\xfa\x02\x09\x11\0\0\0\0\0\0\xf0\x7f",
            "a google.protobuf.Value holds a number that is not finite",
        ),
        (b"\x8a\x03\x0b\x0a\x09t/no.Such", "the type \"t/no.Such\" of an Any is not known to this server"),
    ] {
        match write(&kinds(), wire) {
            Err(found) => assert!(!error.is_empty() && found.to_string().starts_with(error), "{found}"),
            Ok(json) => assert!(error.is_empty(), "{error}: {json}"),
        }
    }
}

#[test]
fn a_field_alone() {
    let field = |name: &str, json: &str| {
        let wire = read(&kinds(), json).unwrap();
        let mut out = Vec::new();
        let field = kinds().field(name).unwrap();
        wire_to_field_json(&field, &wire, &WriteOptions::default(), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    };
    assert_eq!(field("text", r#"{"text": "a"}"#), "\"a\"");
    assert_eq!(field("inners", r#"{"inners": [{"i32": 1}]}"#), r#"[{"i32":1}]"#);
    assert_eq!(field("by_text", r#"{"byText": {"a": 1}}"#), r#"{"a":1}"#);
    for (name, unset) in [
        ("i64", "\"0\""),
        ("inner", "{}"),
        ("inners", "[]"),
        ("by_text", "{}"),
        ("at", "null"),
        ("wrapped", "null"),
    ] {
        assert_eq!(field(name, "{}"), unset, "{name}");
    }
}
