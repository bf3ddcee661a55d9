//! JSON text: what is read, is read again after it was written; and prost-reflect reads the same where it reads it too.

use std::sync::LazyLock;

use narthex_protojson::{ReadOptions, WriteOptions, json_to_wire, wire_to_json};
use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor};

use crate::protos::{SET, kinds};

static THEIRS: LazyLock<MessageDescriptor> = LazyLock::new(|| {
    let pool = DescriptorPool::decode(&SET[..]).expect("protox wrote it");
    pool.get_message_by_name("kinds.v1.Kinds").expect("kinds.proto declares it")
});

/// The target.
pub fn run(text: &[u8]) {
    let lenient = ReadOptions {
        ignore_unknown: true,
        refuse_unknown_enums: false,
        enums_in_any_case: true,
        proto_masks: true,
    };
    let Some(wire) = read(text, ReadOptions::default()) else {
        read(text, lenient);
        return;
    };
    // What every reader takes, the lenient one takes alike.
    assert_eq!(read(text, lenient).as_deref(), Some(&wire[..]));
    let options = [
        WriteOptions::default(),
        WriteOptions { proto_names: true, enums_as_ints: true, whitespace: true, always_print: true },
    ];
    for options in options {
        let Some(written) = write(&wire, options) else { continue };
        let again = read(&written, ReadOptions::default())
            .unwrap_or_else(|| panic!("what is written can be read: {}", String::from_utf8_lossy(&written)));
        assert_eq!(write(&again, options), Some(written), "written once more");
    }
    agree(text, &wire);
}

fn read(text: &[u8], options: ReadOptions) -> Option<Vec<u8>> {
    let mut wire = b"before".to_vec();
    let read = json_to_wire(&kinds(), text, &options, &mut wire);
    assert!(wire.starts_with(b"before") && (read.is_ok() || wire.len() == 6), "out is as it was");
    read.ok().map(|()| wire.split_off(6))
}

fn write(wire: &[u8], options: WriteOptions) -> Option<Vec<u8>> {
    let mut text = Vec::new();
    wire_to_json(&kinds(), wire, &options, &mut text).ok().map(|()| text)
}

/// Holds what was read against prost-reflect, if that can read the text. Minus zero it takes for zero, and drops it.
fn agree(text: &[u8], wire: &[u8]) {
    if text.windows(2).any(|pair| pair == b"-0") {
        return;
    }
    let mut theirs = serde_json::Deserializer::from_slice(text);
    let Ok(theirs) = DynamicMessage::deserialize(THEIRS.clone(), &mut theirs) else { return };
    DynamicMessage::decode(THEIRS.clone(), wire).expect("prost-reflect reads the wire");
    // As text: what is not a number is not equal to itself, and entries of maps have no order.
    let [ours, theirs] = [wire, &theirs.encode_to_vec()].map(|wire| write(wire, WriteOptions::default()));
    assert_eq!(ours, theirs, "{}", String::from_utf8_lossy(text));
}
