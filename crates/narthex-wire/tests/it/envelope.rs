use bytes::Bytes;
use narthex_wire::envelope::{self, Decoder, PREFIX};
use narthex_wire::{Code, Encoding, Status};
use proptest::prelude::*;

use crate::{envelope as flagged, gzip, zlib};

/// Everything that the decoder gives for this data in these pieces.
fn decode(encoding: Encoding, limit: usize, pieces: &[&[u8]]) -> Result<Vec<Bytes>, Status> {
    let mut decoder = Decoder::new(encoding, limit);
    let mut messages = Vec::new();
    for piece in pieces {
        decoder.push(Bytes::copy_from_slice(piece));
        while let Some(message) = decoder.next()? {
            messages.push(message);
        }
    }
    decoder.finish()?;
    Ok(messages)
}

fn refused(encoding: Encoding, limit: usize, data: &[u8], code: Code) -> String {
    let status = decode(encoding, limit, &[data]).expect_err("this data is refused");
    assert_eq!(status.code(), code, "{status}");
    status.message().to_owned()
}

#[test]
fn encodes_what_it_decodes() {
    assert_eq!(envelope::encode(b"abc"), b"\0\0\0\0\x03abc".as_slice());
    assert_eq!(envelope::encode(b""), b"\0\0\0\0\0".as_slice());
    assert_eq!(envelope::prefix(0x0102_0304, true), [1, 1, 2, 3, 4]);
    let mut buffer = vec![9; PREFIX];
    buffer.extend_from_slice(b"abc");
    assert_eq!(envelope::seal(buffer), envelope::encode(b"abc"));
}

#[test]
fn a_whole_envelope_is_a_slice() {
    let data = envelope::encode(b"abc");
    let mut decoder = Decoder::new(Encoding::Identity, 10);
    let address = data.as_ptr();
    decoder.push(data);
    assert_eq!(decoder.next().unwrap().unwrap().as_ptr(), address.wrapping_add(PREFIX));
}

#[test]
fn both_compressions_are_read() {
    let text = b"a text that repeats, a text that repeats";
    for (encoding, data) in [(Encoding::Gzip, gzip(text)), (Encoding::Deflate, zlib(text))] {
        let mut stream = flagged(1, &data);
        // Each message has its own flag: one that is not compressed may follow.
        stream.extend_from_slice(&flagged(0, b"plain"));
        assert_eq!(decode(encoding, 100, &[&stream]).unwrap(), [text.as_slice(), b"plain"]);
    }
}

#[test]
fn what_pays_is_compressed() {
    let text =
        b"a text that repeats, a text that repeats, a text that repeats, a text that repeats".repeat(3);
    for encoding in [Encoding::Gzip, Encoding::Deflate, Encoding::Zstd, Encoding::Brotli] {
        let data = envelope::encode_compressed(encoding, &text);
        assert_eq!((data[0], data.len() < text.len()), (1, true), "{encoding:?}");
        assert_eq!(decode(encoding, 1000, &[&data]).unwrap(), [text.as_slice()]);
        for plain in [b"".as_slice(), b"a"] {
            assert_eq!(envelope::encode_compressed(encoding, plain), envelope::encode(plain), "{encoding:?}");
        }
    }
    assert_eq!(envelope::encode_compressed(Encoding::Identity, &text), envelope::encode(&text));
}

#[test]
fn what_is_compressed_may_have_several_members() {
    for encoding in [Encoding::Gzip, Encoding::Zstd] {
        let mut members = Vec::new();
        encoding.compress(b"one, ", &mut members);
        encoding.compress(b"two", &mut members);
        assert_eq!(encoding.decompress(members.into(), 8).unwrap(), "one, two", "{encoding:?}");
    }
}

#[test]
fn the_limit_is_on_the_decompressed_size() {
    let bomb = gzip(&vec![0; 1_000_000]);
    assert!(bomb.len() < 10_000);
    refused(Encoding::Gzip, 10_000, &flagged(1, &bomb), Code::ResourceExhausted);
    assert_eq!(decode(Encoding::Gzip, 1_000_000, &[&flagged(1, &bomb)]).unwrap()[0].len(), 1_000_000);
    refused(Encoding::Gzip, 999_999, &flagged(1, &bomb), Code::ResourceExhausted);
}

#[test]
fn a_declared_length_above_the_limit_is_refused_before_its_data() {
    let message = refused(Encoding::Identity, 10, &[0, 0, 0, 0, 11], Code::ResourceExhausted);
    assert_eq!(message, "a message of 11 bytes is larger than the limit of 10 bytes");
    refused(Encoding::Identity, 10, &[0, 255, 255, 255, 255], Code::ResourceExhausted);
    assert_eq!(decode(Encoding::Identity, 3, &[&flagged(0, b"abc")]).unwrap(), ["abc"]);
}

#[test]
fn broken_envelopes_are_internal() {
    refused(Encoding::Identity, 10, &flagged(1, b"abc"), Code::Internal);
    refused(Encoding::Identity, 10, &flagged(2, b"abc"), Code::Internal);
    refused(Encoding::Gzip, 10, &flagged(0x80, b"abc"), Code::Internal);
    refused(Encoding::Gzip, 10, &flagged(1, b"abc"), Code::Internal);
    refused(Encoding::Deflate, 10, &flagged(1, b"abc"), Code::Internal);
    refused(Encoding::Gzip, 10, &flagged(1, b""), Code::Internal);
    let whole = gzip(b"abc");
    refused(Encoding::Gzip, 100, &flagged(1, &whole[..whole.len() - 3]), Code::Internal);
}

#[test]
fn a_body_that_ends_early_is_internal() {
    let data = flagged(0, b"abc");
    for end in 1..data.len() {
        refused(Encoding::Identity, 10, &data[..end], Code::Internal);
    }
    assert_eq!(decode(Encoding::Identity, 10, &[]).unwrap(), Vec::<Bytes>::new());
}

#[test]
fn envelopes_split_at_every_byte() {
    let mut data = flagged(0, b"first");
    data.extend_from_slice(&flagged(0, b""));
    data.extend_from_slice(&flagged(1, &gzip(b"second")));
    for split in 0..=data.len() {
        let (a, b) = data.split_at(split);
        assert_eq!(decode(Encoding::Gzip, 100, &[a, b]).unwrap(), ["first", "", "second"], "at {split}");
    }
    let single: Vec<&[u8]> = data.chunks(1).collect();
    assert_eq!(decode(Encoding::Gzip, 100, &single).unwrap(), ["first", "", "second"]);
}

proptest! {
    #[test]
    fn any_messages_in_any_pieces(
        messages in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..300), any::<bool>()), 0..6),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let mut data = Vec::new();
        for (message, compressed) in &messages {
            if *compressed {
                data.extend_from_slice(&flagged(1, &gzip(message)));
            } else {
                data.extend_from_slice(&flagged(0, message));
            }
        }
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(data.len() + 1)).collect();
        cuts.sort_unstable();
        let mut pieces = Vec::new();
        let mut start = 0;
        for cut in cuts.into_iter().chain([data.len()]) {
            pieces.push(&data[start..cut]);
            start = cut;
        }
        let expect: Vec<Bytes> = messages.into_iter().map(|(message, _)| message.into()).collect();
        prop_assert_eq!(decode(Encoding::Gzip, 1000, &pieces).unwrap(), expect);
    }

    #[test]
    fn rubbish_is_refused_or_read_but_never_panics(
        data in prop::collection::vec(any::<u8>(), 0..200),
        compressed in any::<bool>(),
    ) {
        let encoding = if compressed { Encoding::Deflate } else { Encoding::Identity };
        if let Ok(messages) = decode(encoding, 50, &[&data]) {
            prop_assert!(messages.iter().all(|message| message.len() <= 50));
        }
    }
}
