use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use narthex_grpc_web::decode::{Decoder, NotBase64};
use proptest::prelude::*;

fn decode(pieces: &[&[u8]]) -> Result<Vec<u8>, NotBase64> {
    let mut decoder = Decoder::default();
    let mut bytes = Vec::new();
    for piece in pieces {
        bytes.extend(decoder.push(piece)?);
    }
    bytes.extend(decoder.finish()?);
    Ok(bytes)
}

#[test]
fn padding_may_come_in_the_middle_and_be_missing_at_the_end() {
    assert_eq!(decode(&[b"AQ==AgM=BAUG"]).unwrap(), [1, 2, 3, 4, 5, 6]);
    assert_eq!(decode(&[b"AQ"]).unwrap(), [1]);
    assert_eq!(decode(&[b"A", b"Q", b"=", b"=", b"Ag"]).unwrap(), [1, 2]);
    assert_eq!(decode(&[]).unwrap(), b"");
}

#[test]
fn what_is_not_base64_is_refused() {
    for text in ["A", "AAAAA", "!!!!", "A===", "====", "AQ=A", "AQ\r\n", "AQ-_", "=AQI"] {
        assert_eq!(decode(&[text.as_bytes()]), Err(NotBase64), "{text}");
    }
}

proptest! {
    #[test]
    fn pieces_mean_nothing(
        messages in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..20), 0..6),
        size in 1_usize..9,
    ) {
        let mut text: String = messages.iter().map(|message| STANDARD.encode(message)).collect();
        let last = [7, 8, 9, 10];
        text += &STANDARD_NO_PAD.encode(last);
        let pieces: Vec<&[u8]> = text.as_bytes().chunks(size).collect();
        prop_assert_eq!(decode(&pieces).unwrap(), [messages.concat(), last.to_vec()].concat());
    }

    #[test]
    fn nothing_makes_it_panic(text in proptest::collection::vec(any::<u8>(), 0..50), size in 1_usize..9) {
        let _ = decode(&text.chunks(size).collect::<Vec<_>>());
    }
}
