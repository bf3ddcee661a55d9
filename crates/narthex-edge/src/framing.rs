//! Follows the message framing of an HTTP/1 connection, to see what hyper hides.
//!
//! hyper takes a head with both Content-Length and Transfer-Encoding, drops the former and closes the connection after its
//! response. That is safe (RFC 9112 6.1), but such a head is request smuggling or a broken client, and neither is for
//! the application. It also folds repeated lengths into one. So every head is looked at before hyper gets it.
//!
//! It is *not* a parser: what is malformed in any other way hyper refuses, and what it refuses ends the connection. Until
//! then both agree where messages end: lines end with LF, a name is followed by its colon at once.

use memchr::memchr;

/// What of a line matters at most: only a length does that far, and it has fewer digits.
const LINE: usize = 1024;

/// Where a connection stands in its messages.
#[derive(Debug, Default)]
pub(crate) struct Framing {
    state: State,
    /// The start of a line whose end has not come yet; of one that is too long, as much as shows that.
    line: Vec<u8>,
    head: Head,
    heads: u64,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Head,
    /// So many bytes of body to come.
    Body(u64),
    ChunkSize,
    Chunk(u64),
    ChunkEnd,
    Trailers,
    /// A head was misframed: nothing after it means anything.
    Lost,
}

/// What a head has said so far.
#[derive(Debug, Default)]
struct Head {
    started: bool,
    lengths: u32,
    codings: u32,
    length: u64,
    unreadable: bool,
}

impl Head {
    /// RFC 9112 6.1 and 6.3, on the strict side of every "MAY".
    fn is_misframed(&self) -> bool {
        self.unreadable || self.lengths + self.codings > 1
    }
}

impl Framing {
    /// Looks at what was read; the number of the misframed head (counted from 0) when it has come to one.
    pub(crate) fn feed(&mut self, mut bytes: &[u8]) -> Option<u64> {
        while !bytes.is_empty() {
            match &mut self.state {
                State::Lost => return None,
                State::Body(left) | State::Chunk(left) => {
                    let some = bytes.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                    *left -= some as u64;
                    bytes = &bytes[some..];
                    if *left == 0 {
                        let chunk = matches!(self.state, State::Chunk(_));
                        self.state = if chunk { State::ChunkEnd } else { State::Head };
                    }
                }
                _ => {
                    let Some(end) = memchr(b'\n', bytes) else {
                        self.keep(bytes);
                        return None;
                    };
                    let (line, rest) = (&bytes[..end], &bytes[end + 1..]);
                    bytes = rest;
                    if self.line.is_empty() {
                        self.line_ends(line);
                    } else {
                        self.keep(line);
                        let line = std::mem::take(&mut self.line);
                        self.line_ends(&line);
                    }
                    if self.state == State::Lost {
                        return Some(self.heads - 1);
                    }
                }
            }
        }
        None
    }

    /// Whether the last message has ended and nothing of the next has come.
    pub(crate) fn is_between(&self) -> bool {
        self.state == State::Head && !self.head.started && self.line.is_empty()
    }

    fn keep(&mut self, part: &[u8]) {
        let room = (LINE + 1).saturating_sub(self.line.len()).min(part.len());
        self.line.extend_from_slice(&part[..room]);
    }

    fn line_ends(&mut self, line: &[u8]) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        match self.state {
            // Empty lines before a request are passed over (RFC 9112 2.2).
            State::Head if !self.head.started => self.head.started = !line.is_empty(),
            State::Head if line.is_empty() => self.head_ends(),
            State::Head => self.header(line),
            State::ChunkSize => {
                self.state = match chunk_size(line) {
                    Some(size @ 1..) => State::Chunk(size),
                    // Without a size hyper ends the connection here.
                    Some(0) | None => State::Trailers,
                }
            }
            State::ChunkEnd => self.state = State::ChunkSize,
            State::Trailers if line.is_empty() => self.state = State::Head,
            State::Trailers | State::Body(_) | State::Chunk(_) | State::Lost => {}
        }
    }

    fn header(&mut self, line: &[u8]) {
        // One byte tells for most lines that they are neither of the two.
        if !matches!(line.first(), Some(b'c' | b'C' | b't' | b'T')) {
            return;
        }
        if has_name(line, b"content-length:") {
            self.head.lengths += 1;
            let length = std::str::from_utf8(line[15..].trim_ascii()).ok().and_then(|text| text.parse().ok());
            self.head.length = length.unwrap_or(0);
            self.head.unreadable |= length.is_none() || line.len() > LINE;
        } else if has_name(line, b"transfer-encoding:") {
            self.head.codings += 1;
        }
    }

    fn head_ends(&mut self) {
        let head = std::mem::take(&mut self.head);
        self.heads += 1;
        self.state = if head.is_misframed() {
            State::Lost
        } else if head.codings > 0 {
            State::ChunkSize
        } else if head.length > 0 {
            State::Body(head.length)
        } else {
            State::Head
        };
    }
}

fn has_name(line: &[u8], name: &[u8]) -> bool {
    line.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name))
}

fn chunk_size(line: &[u8]) -> Option<u64> {
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    u64::from_str_radix(std::str::from_utf8(&line[..digits]).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Fed at once and byte by byte, both see the same.
    fn check(text: &str, misframed: Option<u64>, between: bool) {
        let mut whole = Framing::default();
        assert_eq!(whole.feed(text.as_bytes()), misframed, "{text:?}");
        assert_eq!(whole.is_between(), between, "{text:?}");
        let mut pieces = Framing::default();
        let seen: Vec<_> = text.as_bytes().chunks(1).filter_map(|byte| pieces.feed(byte)).collect();
        assert_eq!(seen, Vec::from_iter(misframed), "{text:?} byte by byte");
        assert_eq!(pieces.is_between(), between, "{text:?} byte by byte");
    }

    #[test]
    fn messages_end_where_they_do() {
        check("", None, true);
        check("GET / HT", None, false);
        check("GET / HTTP/1.1\r\nhost: a\r\n", None, false);
        check("GET / HTTP/1.1\r\nhost: a\r\n\r\n", None, true);
        check("\r\n\r\nGET / HTTP/1.1\nhost: a\n\n", None, true);
        check("POST / HTTP/1.1\r\ncontent-length: 3\r\n\r\nab", None, false);
        check("POST / HTTP/1.1\r\ncontent-length: 3\r\n\r\nabcGET / HTTP/1.1\r\n\r\n", None, true);
        let chunked = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
        check(&format!("{chunked}3;x=y\r\nabc\r\nA\r\n0123456789\r\n0\r\n"), None, false);
        check(&format!("{chunked}3\r\nabc\r\n0\r\ncontent-length: 3\r\n\r\n"), None, true);
    }

    #[test]
    fn misframed_heads_are_found() {
        for pair in [
            "content-length: 3\r\ntransfer-encoding: chunked",
            "Transfer-Encoding: chunked\r\nContent-Length: 3",
            "Content-Length: 3\r\nContent-Length: 3",
            "Content-Length: 3\r\nContent-Length: 4",
            "TRANSFER-ENCODING:chunked\r\ntransfer-encoding:chunked",
            "content-length: 3, 3",
            "content-length: 99999999999999999999999",
            "content-length:",
        ] {
            let head = format!("POST / HTTP/1.1\r\nhost: a\r\n{pair}\r\n\r\n");
            check(&head, Some(0), false);
            check(&format!("GET / HTTP/1.1\r\n\r\n{head}"), Some(1), false);
            // What looks like it inside a body, or after such a head, is neither.
            check(&format!("PUT / HTTP/1.1\r\ncontent-length: {}\r\n\r\n{head}", head.len()), None, true);
            check(&format!("{head}{head}"), Some(0), false);
        }
    }

    #[test]
    fn a_length_in_too_long_a_line_is_unreadable() {
        let padded = |spaces| format!("POST / HTTP/1.1\r\ncontent-length:{}3\r\n\r\nabc", " ".repeat(spaces));
        check(&padded(LINE - 16), None, true);
        check(&padded(LINE - 15), Some(0), false);
    }

    proptest! {
        #[test]
        fn no_input_upsets_it(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..20)) {
            let mut framing = Framing::default();
            for piece in pieces {
                framing.feed(&piece);
            }
        }

        #[test]
        fn pieces_do_not_matter(text in "(GET / HTTP/1.1\r\n|content-length: [0-9]{1,2}\r\n|transfer-encoding: chunked\r\n|[0-9a-f]{1,2}\r\n|\r\n|x){0,12}", at in 0usize..200) {
            let bytes = text.as_bytes();
            let at = at.min(bytes.len());
            let (mut whole, mut split) = (Framing::default(), Framing::default());
            let expect = whole.feed(bytes);
            let got = split.feed(&bytes[..at]).or_else(|| split.feed(&bytes[at..]));
            prop_assert_eq!(expect, got);
            prop_assert_eq!(whole.is_between(), split.is_between());
        }
    }
}
