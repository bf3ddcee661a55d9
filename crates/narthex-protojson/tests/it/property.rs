//! Against prost-reflect's own codec as a second opinion, and against rubbish.

use narthex_protojson::{ReadOptions, json_to_wire};
use proptest::prelude::*;
use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage};
use serde_json::{Map, Value, json};

use crate::support::{SET, kinds, read, same, write};

/// JSON of a Kinds, without what prost-reflect gets wrong: wrappers that are not finite, and minus zero, which it drops.
fn message(depth: u32) -> BoxedStrategy<Value> {
    let scalar = prop_oneof![
        any::<i32>().prop_map(|v| json!({ "i32": v, "s32": v, "sf32": v })),
        any::<i64>().prop_map(|v| json!({ "i64": v.to_string(), "s64": v, "sf64": v, "wrapped": v })),
        any::<u32>().prop_map(|v| json!({ "u32": v, "f32": v, "numbers": [1, 0, -1] })),
        any::<u64>().prop_map(|v| json!({ "u64": v, "f64": v.to_string() })),
        any::<f32>()
            .prop_filter("finite, not -0.0", |v| v.is_finite() && (*v != 0.0 || v.is_sign_positive()))
            .prop_map(|v| json!({ "real": v, "wrappedReal": v })),
        any::<f64>()
            .prop_filter("finite, not -0.0", |v| v.is_finite() && (*v != 0.0 || v.is_sign_positive()))
            .prop_map(|v| json!({ "dbl": v, "anyJson": v })),
        any::<String>().prop_map(|v| json!({ "text": v, "texts": [v, ""], "object": { v: null } })),
        any::<bool>().prop_map(|v| json!({ "yes": v, "byFlag": { v.to_string(): {} } })),
        (0..253_402_300_799_i64, 0..1_000_000_000_i32).prop_map(|(seconds, nanos)| {
            let at = prost_types::Timestamp { seconds, nanos }.to_string();
            let during = prost_types::Duration { seconds: seconds / 2, nanos }.to_string();
            json!({ "at": at, "during": during })
        }),
        prop_oneof![Just("COLOUR_RED"), Just("COLOUR_DARK")]
            .prop_map(|v| json!({ "colour": v, "colours": [v, 1] })),
        "[a-z]{1,4}([A-Z][a-z]{0,3}){0,2}"
            .prop_map(|v| json!({ "mask": v, "pickText": v, "byText": { v: 1 } })),
    ];
    let fields = proptest::collection::vec(scalar, 0..6).prop_map(|parts| {
        let members = parts.into_iter().flat_map(|part| part.as_object().cloned().unwrap_or_default());
        Value::Object(members.collect::<Map<_, _>>())
    });
    if depth == 0 {
        return fields.boxed();
    }
    (fields, proptest::option::of(message(depth - 1)))
        .prop_map(|(mut fields, inner)| {
            if let Some(inner) = inner {
                fields["inner"] = inner.clone();
                fields["inners"] = json!([inner, {}]);
            }
            fields
        })
        .boxed()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn agrees_with_prost_reflect(value in message(2)) {
        let text = value.to_string();
        let pool = DescriptorPool::decode(&SET[..]).unwrap();
        let descriptor = pool.get_message_by_name("kinds.v1.Kinds").unwrap();
        let theirs = DynamicMessage::deserialize(
            descriptor.clone(),
            &mut serde_json::Deserializer::from_str(&text),
        ).unwrap();
        let ours = read(&kinds(), &text).unwrap();
        // Not prop_assert_eq: the Debug form of a recursive type never ends.
        let decode = |wire: &[u8]| DynamicMessage::decode(descriptor.clone(), wire).unwrap();
        prop_assert!(decode(&ours) == decode(&theirs.encode_to_vec()), "{}", text);

        let printed: Value = serde_json::from_str(&write(&kinds(), &theirs.encode_to_vec()).unwrap()).unwrap();
        let expect: Value = serde_json::to_value(&theirs).unwrap();
        prop_assert!(same(&printed, &expect), "{} {}", printed, expect);
    }

    #[test]
    fn rubbish_text_does_no_harm(text: Vec<u8>) {
        let _ = json_to_wire(&kinds(), &text, &ReadOptions::default(), &mut Vec::new());
    }

    #[test]
    fn rubbish_wire_does_no_harm(wire: Vec<u8>) {
        let _ = write(&kinds(), &wire);
    }

    #[test]
    fn cut_text_is_refused(value in message(1), at: prop::sample::Index) {
        let text = value.to_string();
        let cut = (0..text.len()).filter(|at| text.is_char_boundary(*at)).nth(at.index(text.chars().count())).unwrap();
        prop_assert!(read(&kinds(), &text[..cut]).is_err());
    }
}
