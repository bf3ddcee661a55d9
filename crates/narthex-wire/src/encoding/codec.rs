//! The compressors themselves.
//!
//! Messages are small and many, so what costs most of one is the state that it is compressed with (300 KiB for gzip): each
//! thread keeps its own. The levels are the fast ones, since the thread that compresses is the one that serves.

use std::cell::RefCell;
use std::io::{self, Read, Write as _};

use flate2::bufread::{MultiGzDecoder, ZlibDecoder};
use flate2::{Compress, Compression, FlushCompress, Status as Progress};
use zstd::bulk::Compressor;
use zstd::stream::read::Decoder;
use zstd::zstd_safe::{DCtx, DParameter};

use super::Encoding;
use super::stream::Codec;

/// As much history as gzip can refer to, in the power of two.
pub(super) const DEFLATE_WINDOW: u8 = 15;
const ZSTD_LEVEL: i32 = 1;
/// The largest window that RFC 8878 3.1.1.1.2 wants every decoder to have, 8 MiB: a message may ask for 2 GiB.
pub(super) const ZSTD_WINDOW_LOG: u32 = 23;
const BROTLI_QUALITY: u32 = 3;
const BROTLI_BUFFER: usize = 4096;

thread_local! {
    static GZIP: RefCell<Compress> = RefCell::new(Compress::new_gzip(Compression::fast(), DEFLATE_WINDOW));
    static DEFLATE: RefCell<Compress> = RefCell::new(Compress::new(Compression::fast(), true));
    static ZSTD: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
    static UNZSTD: RefCell<DCtx<'static>> = RefCell::new({
        let mut context = DCtx::create();
        // Cannot fail: the value is within zstd's range, and nothing is being decompressed.
        let _ = context.set_parameter(DParameter::WindowLogMax(ZSTD_WINDOW_LOG));
        context
    });
}

/// The message, or the first `limit + 1` bytes of it.
pub(super) fn decompress(encoding: Encoding, data: &[u8], limit: usize) -> io::Result<Vec<u8>> {
    match encoding {
        Encoding::Identity => Ok(data.to_vec()),
        Encoding::Gzip => read_to_limit(MultiGzDecoder::new(data), data.len(), limit),
        Encoding::Deflate => {
            let mut decoder = ZlibDecoder::new(data);
            let message = read_to_limit(&mut decoder, data.len(), limit)?;
            if message.len() <= limit && !decoder.get_ref().is_empty() {
                return Err(something_follows());
            }
            Ok(message)
        }
        Encoding::Zstd => UNZSTD.with_borrow_mut(|context| {
            read_to_limit(Decoder::with_context(data, context), data.len(), limit)
        }),
        Encoding::Brotli => unbrotli(data, limit),
    }
}

/// By steps, since brotli's own reader does not tell what it has left.
fn unbrotli(mut data: &[u8], limit: usize) -> io::Result<Vec<u8>> {
    let mut codec = Codec::brotli();
    let mut message = Vec::new();
    let mut piece = [0; BROTLI_BUFFER];
    while message.len() <= limit {
        let step = codec.step(data, &mut piece)?;
        message.extend_from_slice(&piece[..step.written]);
        data = &data[step.read..];
        if step.ended {
            return if data.is_empty() { Ok(message) } else { Err(something_follows()) };
        }
        if step.read == 0 && step.written == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    message.truncate(limit.saturating_add(1));
    Ok(message)
}

/// These encodings have one member, unlike gzip and zstd.
pub(super) fn something_follows() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "something follows its end")
}

fn read_to_limit(decoder: impl Read, compressed: usize, limit: usize) -> io::Result<Vec<u8>> {
    // A guess of the size, so that what is small costs one allocation and what claims much gets it only by being much.
    let mut message = Vec::with_capacity(compressed.saturating_mul(2).min(limit));
    decoder.take((limit as u64).saturating_add(1)).read_to_end(&mut message)?;
    Ok(message)
}

/// Compresses a message behind what is in `out`.
pub(super) fn compress(encoding: Encoding, message: &[u8], out: &mut Vec<u8>) {
    match encoding {
        Encoding::Identity => out.extend_from_slice(message),
        Encoding::Gzip => GZIP.with_borrow_mut(|state| deflate(state, message, out)),
        Encoding::Deflate => DEFLATE.with_borrow_mut(|state| deflate(state, message, out)),
        Encoding::Zstd => ZSTD.with_borrow_mut(|state| zstandard(state, message, out)),
        Encoding::Brotli => brotli(message, out),
    }
}

fn deflate(state: &mut Compress, message: &[u8], out: &mut Vec<u8>) {
    state.reset();
    let mut room = message.len() / 2 + 64;
    loop {
        out.reserve(room);
        let read = usize::try_from(state.total_in()).expect("no more than was given");
        let progress = state.compress_vec(&message[read..], out, FlushCompress::Finish);
        match progress.expect("a state that was reset takes anything") {
            Progress::StreamEnd => return,
            Progress::Ok | Progress::BufError => room = out.len(),
        }
    }
}

fn zstandard(state: &mut Option<Compressor<'static>>, message: &[u8], out: &mut Vec<u8>) {
    let state = state.get_or_insert_with(|| Compressor::new(ZSTD_LEVEL).expect("the level is one of zstd's"));
    let start = out.len();
    out.resize(start + zstd::compress_bound(message.len()), 0);
    let written =
        state.compress_to_buffer(message, &mut out[start..]).expect("there is room for any outcome");
    out.truncate(start + written);
}

fn brotli(message: &[u8], out: &mut Vec<u8>) {
    let mut encoder =
        brotli::CompressorWriter::new(out, BROTLI_BUFFER, BROTLI_QUALITY, window(message.len()));
    encoder.write_all(message).expect("a Vec takes everything");
    // Dropping it writes the end.
}

/// The smallest window that holds all of a message, as a power of two: memory is taken for all of it.
fn window(len: usize) -> u32 {
    len.max(1).next_power_of_two().trailing_zeros().clamp(10, 22)
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMPRESSED: [Encoding; 4] = [Encoding::Gzip, Encoding::Deflate, Encoding::Zstd, Encoding::Brotli];

    /// `len` bytes that repeat, but not soon.
    fn text(len: usize) -> Vec<u8> {
        (0..len).map(|i| b'a' + u8::try_from((i * i / 7) % 26).unwrap()).collect()
    }

    #[test]
    fn what_is_compressed_is_read_back() {
        for encoding in COMPRESSED {
            // Twice each, since the state is used again.
            for len in [0, 1, 1, 100, 100, 5_000, 70_000, 10] {
                let (message, mut out) = (text(len), b"before".to_vec());
                compress(encoding, &message, &mut out);
                assert_eq!(&out[..6], b"before");
                assert!(len < 5_000 || out.len() < len, "{encoding:?} {len}: {}", out.len());
                assert!(decompress(encoding, &out[6..], len).unwrap() == message, "{encoding:?} {len}");
            }
        }
    }

    #[test]
    fn what_does_not_shrink_is_still_right() {
        let mut seed = 1_u32;
        let mut noise = || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            seed.to_be_bytes()[0]
        };
        let message: Vec<u8> = (0..100_000).map(|_| noise()).collect();
        for encoding in COMPRESSED {
            let mut out = Vec::new();
            compress(encoding, &message, &mut out);
            assert!(decompress(encoding, &out, message.len()).unwrap() == message, "{encoding:?}");
        }
    }

    #[test]
    fn a_bomb_stops_at_the_limit() {
        for encoding in COMPRESSED {
            let mut out = Vec::new();
            compress(encoding, &vec![0; 1_000_000], &mut out);
            assert!(out.len() < 100_000, "{encoding:?} {}", out.len());
            assert_eq!(decompress(encoding, &out, 1000).unwrap().len(), 1001, "{encoding:?}");
        }
    }

    #[test]
    fn what_is_cut_or_something_else_is_an_error_and_harms_nobody_after_it() {
        for encoding in COMPRESSED {
            let (message, mut out) = (text(5_000), Vec::new());
            compress(encoding, &message, &mut out);
            for end in [0, 1, out.len() / 2, out.len() - 1] {
                assert!(decompress(encoding, &out[..end], 10_000).is_err(), "{encoding:?} {end}");
            }
            assert!(decompress(encoding, &[0xFF; 100], 10_000).is_err(), "{encoding:?}");
            assert!(decompress(encoding, &out, 10_000).unwrap() == message, "{encoding:?}");
        }
    }

    #[test]
    fn a_window_that_is_too_large_is_refused() {
        let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
        encoder.window_log(27).unwrap();
        encoder.write_all(&text(100)).unwrap();
        let data = encoder.finish().unwrap();
        assert!(decompress(Encoding::Zstd, &data, 1000).is_err());
    }
}
