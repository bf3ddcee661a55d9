//! HTTP/2 with prior knowledge, by frames.

use std::sync::atomic::Ordering;
use std::time::Duration;

use narthex_edge::Config;

use crate::harness::{BROKEN, Client, Server, eventually};

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;

pub(crate) const END_STREAM: u8 = 1;
const ACK: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

/// An HTTP/2 client that knows frames and as much of HPACK as it needs to ask.
pub(crate) struct H2 {
    pub(crate) client: Client,
    answers_pings: bool,
    /// SETTINGS that it has sent.
    unacknowledged: usize,
    /// The error of the last GOAWAY.
    goaway: Option<u32>,
    /// What else that said.
    pub(crate) words: String,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Received {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

impl H2 {
    pub(crate) fn new(server: &Server) -> Self {
        let mut client = server.connect();
        client.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        let words = String::new();
        let mut h2 = Self { client, answers_pings: true, unacknowledged: 0, goaway: None, words };
        h2.frame(SETTINGS, 0, 0, &[]);
        h2
    }

    pub(crate) fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        self.unacknowledged += usize::from(kind == SETTINGS && flags & ACK == 0);
        let mut frame = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
        frame.extend([kind, flags]);
        frame.extend(stream.to_be_bytes());
        frame.extend(payload);
        self.client.write(frame);
    }

    pub(crate) fn ask(&mut self, stream: u32, method: &str, path: &str, end: bool, headers: &[(&str, &str)]) {
        let mut block = vec![0x86];
        literal(&mut block, ":method", method);
        literal(&mut block, ":path", path);
        literal(&mut block, ":authority", "a");
        for (name, value) in headers {
            literal(&mut block, name, value);
        }
        self.frame(HEADERS, END_HEADERS | if end { END_STREAM } else { 0 }, stream, &block);
    }

    pub(crate) fn get(&mut self, stream: u32, path: &str) {
        self.ask(stream, "GET", path, true, &[]);
    }

    fn next(&mut self) -> Received {
        let head = self.client.exactly(9);
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        let received =
            Received { kind: head[3], flags: head[4], stream, payload: self.client.exactly(length) };
        if received.kind == GOAWAY {
            self.goaway = Some(u32::from_be_bytes(received.payload[4..8].try_into().unwrap()));
            self.words = String::from_utf8(received.payload[8..].to_vec()).unwrap();
        }
        let acknowledged = received.kind == SETTINGS && received.flags & ACK != 0;
        self.unacknowledged = self.unacknowledged.saturating_sub(acknowledged.into());
        if received.kind == PING && received.flags & ACK == 0 && self.answers_pings {
            self.frame(PING, ACK, 0, &received.payload);
        }
        received
    }

    /// The next frame of this kind that is not an acknowledgement.
    pub(crate) fn wait_for(&mut self, kind: u8) -> Received {
        loop {
            let received = self.next();
            if received.kind == kind && !(matches!(kind, SETTINGS | PING) && received.flags & ACK != 0) {
                return received;
            }
        }
    }

    /// The status and data of the next response; the client's streams answer one after the other.
    pub(crate) fn response(&mut self) -> (u16, String, Received) {
        let head = self.wait_for(HEADERS);
        let status = status(&head.payload);
        let mut data = Vec::new();
        let mut ended = head.flags & END_STREAM != 0;
        while !ended {
            let piece = self.wait_for(DATA);
            ended = piece.flags & END_STREAM != 0;
            data.extend(piece.payload);
        }
        (status, String::from_utf8(data).unwrap(), head)
    }

    /// Reads until the connection ends; the error of the last GOAWAY.
    pub(crate) fn last_words(&mut self) -> Option<u32> {
        while self.client.has_more() {
            self.next();
        }
        self.goaway
    }
}

/// A literal field without indexing or Huffman coding (RFC 7541 6.2.2).
fn literal(block: &mut Vec<u8>, name: &str, value: &str) {
    block.push(0);
    for text in [name, value] {
        let length = text.len();
        if length < 127 {
            block.push(u8::try_from(length).unwrap());
        } else {
            block.push(127);
            let mut rest = length - 127;
            while rest >= 128 {
                block.push(u8::try_from(rest % 128 + 128).unwrap());
                rest /= 128;
            }
            block.push(u8::try_from(rest).unwrap());
        }
        block.extend(text.as_bytes());
    }
}

/// The status, which comes first: from the static table, or three digits by themselves or Huffman coded.
fn status(block: &[u8]) -> u16 {
    match block {
        [0x88, ..] => 200,
        [0x89, ..] => 204,
        [0x8a, ..] => 206,
        [0x8b, ..] => 304,
        [0x8c, ..] => 400,
        [0x8d, ..] => 404,
        [0x8e, ..] => 500,
        [0x48 | 0x08, 0x82, a, b, ..] => huffman_digits([*a, *b, 0]),
        [0x48 | 0x08, 0x83, a, b, c, ..] => huffman_digits([*a, *b, *c]),
        _ => panic!("a status that this client cannot read: {block:?}"),
    }
}

/// Three digits of RFC 7541's code: 0, 1 and 2 take five bits, 3 to 9 six.
fn huffman_digits(bytes: [u8; 3]) -> u16 {
    let mut bits = u32::from_be_bytes([bytes[0], bytes[1], bytes[2], 0]);
    let mut number = 0;
    for _ in 0..3 {
        let (five, six) = (bits >> 27, bits >> 26);
        let (digit, length) = if five <= 2 { (five, 5) } else { (six - 0x19 + 3, 6) };
        number = number * 10 + u16::try_from(digit).unwrap();
        bits <<= length;
    }
    number
}

#[test]
fn requests_and_responses() {
    let server = Server::start();
    let mut client = H2::new(&server);
    client.get(1, "/hello");
    let (status, body, _) = client.response();
    assert_eq!((status, body.as_str()), (200, "hello"));
    client.ask(3, "POST", "/echo", false, &[]);
    client.frame(DATA, 0, 3, b"abc");
    client.frame(DATA, END_STREAM, 3, b"def");
    assert_eq!(client.response().1, "abcdef");
    client.get(5, "/pieces");
    assert_eq!(client.response().1, "abcabcabc");
    client.get(7, "/target?q");
    let expect = "http://a/target?q host=none authority=a";
    assert_eq!(client.response().1, expect);
    client.get(9, "/none");
    assert_eq!(client.response().0, 404);
}

/// Left alone, the system keeps what is less than a packet for a fifth of a second (the least of its probes).
#[cfg(target_os = "linux")]
#[test]
fn a_frame_that_nothing_follows_is_not_kept_back() {
    const FRAME: [u8; 16 * 1024] = [b'x'; 16 * 1024];
    let server = Server::start();
    let mut client = H2::new(&server);
    client.ask(1, "POST", "/mirror", false, &[]);
    let quickest = (0..8).map(|_| {
        let begun = std::time::Instant::now();
        client.frame(DATA, 0, 1, &FRAME);
        assert!(client.wait_for(DATA).payload == FRAME);
        for stream in [0, 1] {
            client.frame(WINDOW_UPDATE, 0, stream, &u32::try_from(FRAME.len()).unwrap().to_be_bytes());
        }
        begun.elapsed()
    });
    let quickest = quickest.min().unwrap();
    assert!(quickest < Duration::from_millis(150), "{quickest:?}");
}

#[test]
fn responses_without_bodies() {
    let server = Server::start();
    let mut client = H2::new(&server);
    for (stream, method, path, expect) in [
        (1, "HEAD", "/hello", 200),
        (3, "HEAD", "/pieces", 200),
        (5, "GET", "/204", 204),
        (7, "GET", "/304", 304),
        (9, "GET", "/205", 205),
    ] {
        client.ask(stream, method, path, true, &[]);
        let (status, body, head) = client.response();
        assert_eq!((status, body.as_str()), (expect, ""), "{method} {path}");
        assert_ne!(head.flags & END_STREAM, 0, "{method} {path}");
    }
}

#[test]
fn dates_are_for_all_but_grpc() {
    let server = Server::start();
    let mut client = H2::new(&server);
    // A literal with indexing, its name the 33rd of the static table: `date` (RFC 7541 6.2.1).
    let dated = |head: &Received| head.payload.contains(&0x61);
    client.get(1, "/hello");
    assert!(dated(&client.response().2));
    client.get(3, "/grpc");
    let (status, _, head) = client.response();
    assert_eq!(status, 200);
    assert!(!dated(&head), "{head:?}");
}

fn idle_soon() -> Config {
    Config { h2_idle_timeout: Some(Duration::from_millis(400)), ..Config::default() }
}

#[test]
fn an_idle_connection_gets_a_goaway() {
    let server = Server::with(idle_soon());
    let mut client = H2::new(&server);
    client.get(1, "/hello");
    assert_eq!(client.response().1, "hello");
    assert_eq!(client.last_words(), Some(0));
}

#[test]
fn an_idle_connection_that_does_not_answer_is_closed_all_the_same() {
    let server = Server::with(idle_soon());
    let mut client = H2::new(&server);
    client.answers_pings = false;
    assert_eq!(client.last_words(), Some(0));
}

#[test]
fn a_peer_that_does_not_answer_pings_is_gone() {
    let server = Server::with(Config {
        h2_ping_interval: Some(Duration::from_millis(50)),
        h2_ping_timeout: Duration::from_millis(50),
        ..Config::default()
    });
    let mut client = H2::new(&server);
    client.answers_pings = false;
    client.get(1, "/hang");
    client.last_words();
    let seen = server.seen.clone();
    eventually(move || seen.dropped.load(Ordering::Relaxed) == 1);
}

#[test]
fn malformed_frames_end_the_connection_with_an_error() {
    let request = HEADERS;
    let flags = END_HEADERS | END_STREAM;
    for (kind, flags, stream, payload) in [
        (DATA, 0, 0, b"x".as_slice()),
        (DATA, 0, 1, b"x"),
        (PING, 0, 0, b"too short"),
        (request, flags, 2, &[0x82, 0x86, 0x84]),
        (request, flags, 1, &[0xbf, 0x82]),
    ] {
        let server = Server::start();
        let mut other = H2::new(&server);
        other.get(1, "/hello");
        assert_eq!(other.response().1, "hello");
        let mut client = H2::new(&server);
        client.frame(kind, flags, stream, payload);
        // The h2 crate calls each of them a PROTOCOL_ERROR.
        assert_eq!(client.last_words(), Some(1), "frame {kind} on stream {stream}");
        other.get(3, "/hello");
        assert_eq!(other.response().1, "hello");
    }
}

#[test]
fn a_malformed_request_ends_its_stream_only() {
    let server = Server::start();
    let mut client = H2::new(&server);
    client.ask(1, "GET", "/hello", true, &[("connection", "close")]);
    let reset = client.wait_for(RST_STREAM);
    assert_eq!((reset.stream, reset.payload), (1, vec![0, 0, 0, 1]));
    client.ask(3, "GET", "/hello", true, &[("host", "a"), ("host", "b")]);
    assert_eq!(client.response().0, 400);
    client.ask(5, "CONNECT", "/", true, &[]);
    assert_eq!(client.wait_for(RST_STREAM).stream, 5);
    let mut block = vec![0x82, 0x86, 0x84];
    literal(&mut block, ":authority", "a:b");
    client.frame(HEADERS, END_HEADERS | END_STREAM, 7, &block);
    assert_eq!(client.response().0, 400);
    client.get(9, "/hello");
    assert_eq!(client.response().1, "hello");
}

#[test]
fn a_header_list_too_large_is_a_431() {
    let server = Server::with(Config { max_header_size: 8192, ..Config::default() });
    let mut client = H2::new(&server);
    client.ask(1, "GET", "/hello", true, &[("x", "y".repeat(9000).as_str())]);
    assert_eq!(client.response().0, 431);
}

#[test]
fn a_flood_of_resets_ends_the_connection() {
    let server = Server::start();
    let mut client = H2::new(&server);
    let mut bytes = Vec::new();
    for stream in (1..2001).step_by(2) {
        let block = [0x82, 0x86, 0x84, 0x01, 0x01, b'a'];
        for (kind, flags, payload) in
            [(HEADERS, END_HEADERS | END_STREAM, block.as_slice()), (RST_STREAM, 0, [0, 0, 0, 8].as_slice())]
        {
            bytes.extend(&u32::try_from(payload.len()).unwrap().to_be_bytes()[1..]);
            bytes.extend([kind, flags]);
            bytes.extend(u32::to_be_bytes(stream));
            bytes.extend(payload);
        }
    }
    // It may be closed before all is written.
    let _ = std::io::Write::write_all(&mut client.client.stream, &bytes);
    let error = client.last_words();
    assert!(matches!(error, None | Some(11)), "ENHANCE_YOUR_CALM, or cut off: {error:?}");
    server.assert_alive();
}

#[test]
fn a_reset_drops_the_exchange() {
    let server = Server::start();
    let mut client = H2::new(&server);
    client.get(1, "/hang");
    client.get(3, "/hello");
    assert_eq!(client.response().1, "hello");
    client.frame(RST_STREAM, 0, 1, &[0, 0, 0, 8]);
    let seen = server.seen.clone();
    eventually(move || seen.dropped.load(Ordering::Relaxed) == 1);
    client.get(5, "/hello");
    assert_eq!(client.response().1, "hello");
}

#[test]
fn a_response_that_fails_is_reset_after_what_came_before() {
    let server = Server::start();
    let mut client = H2::new(&server);
    let internal_error = vec![0, 0, 0, 2];
    client.get(1, "/broken");
    assert_eq!(status(&client.wait_for(HEADERS).payload), 200);
    assert_eq!(client.wait_for(DATA).payload, b"abc");
    let reset = client.next();
    assert_eq!((reset.kind, reset.stream, &reset.payload), (RST_STREAM, 1, &internal_error));
    client.get(3, "/broken/at-once");
    assert_eq!(status(&client.wait_for(HEADERS).payload), 200);
    assert_eq!(client.next().kind, RST_STREAM);
    // The windows are opened late, for all of it.
    client.get(5, "/broken/large");
    let mut received = 0;
    while received < 65_535 - 3 {
        received += client.wait_for(DATA).payload.len();
    }
    assert_eq!(resets(&until_acknowledged(&mut client)), 0);
    for stream in [0, 5] {
        client.frame(WINDOW_UPDATE, 0, stream, &u32::try_from(BROKEN).unwrap().to_be_bytes());
    }
    while received < BROKEN {
        received += client.wait_for(DATA).payload.len();
    }
    let reset = client.next();
    assert_eq!((reset.kind, reset.stream, &reset.payload), (RST_STREAM, 5, &internal_error));
}

#[test]
fn a_body_that_panics_ends_its_stream_only() {
    let server = Server::start();
    let mut client = H2::new(&server);
    client.get(1, "/bomb");
    assert_eq!(client.wait_for(RST_STREAM).stream, 1);
    client.get(3, "/hello");
    assert_eq!(client.response().1, "hello");
    assert_eq!(server.serving.exchanges(), 0);
}

#[test]
fn a_body_that_stalls_is_a_408() {
    let server = Server::with(Config { body_timeout: Duration::from_millis(400), ..Config::default() });
    let mut client = H2::new(&server);
    client.ask(1, "POST", "/echo", false, &[]);
    client.frame(DATA, 0, 1, b"abc");
    client.get(3, "/hello");
    assert_eq!(client.response().1, "hello");
    assert_eq!(client.response().0, 408);
}

/// Everything that comes until SETTINGS sent now are acknowledged.
pub(crate) fn until_acknowledged(client: &mut H2) -> Vec<Received> {
    client.frame(SETTINGS, 0, 0, &[]);
    let mut frames = Vec::new();
    while client.unacknowledged > 0 {
        frames.push(client.next());
    }
    frames
}

pub(crate) fn resets(frames: &[Received]) -> usize {
    frames.iter().filter(|frame| frame.kind == RST_STREAM).count()
}

#[test]
fn a_drain_finishes_what_is_in_flight() {
    let server = Server::start();
    let mut client = H2::new(&server);
    client.ask(1, "POST", "/echo", false, &[]);
    client.frame(DATA, 0, 1, b"abc");
    let seen = server.seen.clone();
    eventually(move || seen.requests.load(Ordering::Relaxed) == 1);
    server.serving.drain();
    let first = client.wait_for(GOAWAY);
    assert_eq!(first.payload, [0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0], "nothing is refused yet");
    // A request that crossed the GOAWAY is still served.
    client.get(3, "/hello");
    assert_eq!(client.response().1, "hello");
    client.frame(DATA, END_STREAM, 1, b"def");
    assert_eq!(client.response().1, "abcdef");
    assert_eq!(client.last_words(), Some(0));
    server.wait_drained();
}

#[test]
fn an_abort_drops_every_exchange() {
    let server = Server::start();
    let mut client = H2::new(&server);
    for stream in [1, 3, 5] {
        client.get(stream, "/hang");
    }
    client.get(7, "/endless");
    client.wait_for(DATA);
    let serving = server.serving.clone();
    eventually(move || serving.exchanges() == 4);
    server.serving.abort();
    server.wait_drained();
    assert_eq!(server.seen.dropped.load(Ordering::Relaxed), 3);
    assert_eq!(server.serving.exchanges(), 0);
}

#[test]
fn a_client_that_does_not_read_stops_the_response() {
    let server = Server::start();
    let mut client = H2::new(&server);
    client.get(1, "/endless");
    let mut data = 0;
    // The default window: the server may not send more, so what it produces beyond is bounded by its buffer.
    while data < 65_535 {
        data += client.wait_for(DATA).payload.len();
    }
    assert_eq!(data, 65_535);
    client.get(3, "/unread");
    client.wait_for(HEADERS);
    server.assert_alive();
}
