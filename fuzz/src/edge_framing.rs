//! Where HTTP/1 messages end, against a reader made of httparse, which hyper uses too.

use narthex_edge::fuzzing::Framing;

/// The target.
pub fn run(bytes: &[u8]) {
    let mut whole = Framing::default();
    let found = whole.feed(bytes);
    match read(bytes) {
        Read::Heads => assert_eq!(found, None),
        Read::Misframed(head) => assert_eq!(found, Some(head)),
        // What comes after it nobody reads.
        Read::Refused(heads) => assert!(found.is_none_or(|found| found + 1 >= heads), "{found:?}, {heads}"),
    }
    for size in [1, 7] {
        let mut pieces = Framing::default();
        let in_pieces = bytes.chunks(size).find_map(|piece| pieces.feed(piece));
        assert_eq!(in_pieces, found, "in pieces of {size}");
        assert!(found.is_some() || pieces.is_between() == whole.is_between());
    }
}

/// What a strict reader makes of a connection's bytes.
#[derive(Debug)]
enum Read {
    /// All whole heads, none of them misframed.
    Heads,
    /// This head is misframed.
    Misframed(u64),
    /// After so many heads hyper refuses what comes.
    Refused(u64),
}

fn read(mut bytes: &[u8]) -> Read {
    let mut heads = 0;
    while !bytes.is_empty() {
        let mut headers = [httparse::EMPTY_HEADER; 100];
        let mut request = httparse::Request::new(&mut headers);
        let length = match request.parse(bytes) {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) => return Read::Heads,
            Err(_) => return Read::Refused(heads),
        };
        bytes = &bytes[length..];
        let values = |name: &str| {
            let of = request.headers.iter().filter(|header| header.name.eq_ignore_ascii_case(name));
            of.map(|header| header.value).collect::<Vec<_>>()
        };
        let body = match (&values("content-length")[..], &values("transfer-encoding")[..]) {
            ([], []) => Some(bytes),
            ([digits], []) if !digits.is_empty() && digits.iter().all(u8::is_ascii_digit) => {
                let digits = std::str::from_utf8(digits).expect("digits are text");
                match digits.parse::<u64>() {
                    Ok(length) => {
                        Some(bytes.get(usize::try_from(length).unwrap_or(usize::MAX)..).unwrap_or_default())
                    }
                    Err(_) => return Read::Misframed(heads),
                }
            }
            ([], [coding]) if coding.eq_ignore_ascii_case(b"chunked") => after_chunks(bytes),
            ([_], []) | ([], [_]) => None,
            _ => return Read::Misframed(heads),
        };
        heads += 1;
        let Some(after) = body else { return Read::Refused(heads) };
        bytes = after;
    }
    Read::Heads
}

/// What follows a chunked body; nothing while it is not whole, `None` if its framing is broken.
fn after_chunks(mut bytes: &[u8]) -> Option<&[u8]> {
    loop {
        let (length, size) = match httparse::parse_chunk_size(bytes) {
            Ok(httparse::Status::Complete(found)) => found,
            Ok(httparse::Status::Partial) => return Some(&[]),
            Err(_) => return None,
        };
        if !bytes[0].is_ascii_hexdigit() {
            return None;
        }
        bytes = &bytes[length..];
        if size == 0 {
            return after_trailers(bytes);
        }
        let Some(rest) = usize::try_from(size).ok().and_then(|size| bytes.get(size..)) else {
            return Some(&[]);
        };
        match rest {
            [b'\r', b'\n', rest @ ..] => bytes = rest,
            [] | [b'\r'] => return Some(&[]),
            _ => return None,
        }
    }
}

fn after_trailers(mut bytes: &[u8]) -> Option<&[u8]> {
    loop {
        let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else { return Some(&[]) };
        let line = &bytes[..end];
        bytes = &bytes[end + 1..];
        match line {
            [b'\r'] => return Some(bytes),
            // A line that ends in any other way than with CRLF is refused.
            [text @ .., b'\r'] if !text.contains(&b'\r') => {}
            _ => return None,
        }
    }
}
