use bytes::Bytes;
use narthex_http_over_grpc::http_body::HttpBody;
use narthex_wire::envelope::PREFIX;
use proptest::prelude::*;
use prost::Message as _;

use crate::Oracle;

fn decode(message: &[u8]) -> Option<HttpBody> {
    HttpBody::decode(&Bytes::copy_from_slice(message)).ok()
}

fn check(message: &[u8], content_type: &'static str, data: &'static str) {
    let expect = HttpBody { content_type: content_type.into(), data: data.into() };
    assert_eq!(decode(message), Some(expect), "{message:?}");
}

#[test]
fn last_value_wins_and_the_unknown_is_skipped() {
    check(b"", "", "");
    check(b"\x0a\x01a\x12\x01b", "a", "b");
    check(b"\x12\x01b\x0a\x01a\x12\x02cd\x0a\x00", "", "cd");
    // An extension, a varint, 64 bits, 32 bits, a group with a group in it, and field 2 as a varint.
    check(b"\x1a\x02xy\x20\xff\x01\x2112345678\x251234\x33\x3b\x20\x01\x3c\x34\x10\x05\x0a\x01a", "a", "");
}

#[test]
fn malformed_messages_are_refused() {
    let cases: [&[u8]; 11] = [
        b"\x0a",
        b"\x0a\x02a",
        b"\x00",
        b"\x02\x00",
        b"\x0f",
        b"\x0c",
        b"\x21123",
        b"\x33",
        b"\x33\x3c",
        b"\x20\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
    ];
    for message in cases {
        assert_eq!(decode(message), None, "{message:?}");
    }
    assert_eq!(decode(&vec![0x0b; 100_000]), None, "groups without end");
}

proptest! {
    #[test]
    fn reads_what_prost_writes_and_the_other_way(
        content_type in prop::collection::vec(any::<u8>(), 0..300),
        data in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let oracle = Oracle { content_type, data };
        let body = decode(&oracle.encode_to_vec()).unwrap();
        prop_assert_eq!(&body.content_type, &oracle.content_type);
        prop_assert_eq!(&body.data, &oracle.data);
        prop_assert_eq!(Oracle::decode(&body.encode()[PREFIX..]).unwrap(), oracle);
    }

    #[test]
    fn agrees_with_prost_on_rubbish(message in prop::collection::vec(any::<u8>(), 0..40)) {
        // prost refuses a known field of another wire type, which protobuf would skip; ours skips it.
        if let Ok(oracle) = Oracle::decode(&*message) {
            let body = decode(&message).unwrap();
            prop_assert_eq!(&body.content_type, &oracle.content_type);
            prop_assert_eq!(&body.data, &oracle.data);
        } else {
            let _ = decode(&message);
        }
    }
}
