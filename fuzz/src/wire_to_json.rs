//! A message's wire: what can be written as JSON can be read, and is then written alike.

use narthex_protojson::{ReadOptions, WriteOptions, json_to_wire, wire_to_json};

use crate::protos::kinds;

/// The target.
pub fn run(wire: &[u8]) {
    let Some(text) = write(wire) else { return };
    serde_json::from_slice::<serde_json::Value>(&text).expect("it is JSON");
    let mut again = Vec::new();
    match json_to_wire(&kinds(), &text, &ReadOptions::default(), &mut again) {
        Ok(()) => assert_eq!(write(&again), Some(text)),
        Err(error) => panic!("{error}: {}", String::from_utf8_lossy(&text)),
    }
}

fn write(wire: &[u8]) -> Option<Vec<u8>> {
    let mut text = b"before".to_vec();
    let written = wire_to_json(&kinds(), wire, &WriteOptions::default(), &mut text);
    assert!(text.starts_with(b"before") && (written.is_ok() || text.len() == 6), "out is as it was");
    written.ok().map(|()| text.split_off(6))
}
