//! Clients that keep a server busy with frames that carry nothing.

use std::io::Write as _;
use std::sync::atomic::Ordering;

use narthex_edge::Config;

use crate::harness::{Server, eventually};
use crate::http2::{DATA, END_STREAM, H2, HEADERS, PING, SETTINGS, WINDOW_UPDATE, until_acknowledged};

const CONTINUATION: u8 = 9;
const PRIORITY: u8 = 2;
const ENHANCE_YOUR_CALM: u32 = 11;

/// Writes frames as fast as the server takes them; it may close the connection before all are written.
fn flood(client: &mut H2, frames: usize, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    let mut frame = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    let _ = client.client.stream.write_all(&frame.repeat(frames));
}

#[test]
fn too_many_pings_end_the_connection_and_say_so() {
    let server = Server::start();
    let mut client = H2::new(&server);
    client.get(1, "/hang");
    for _ in 0..3 {
        client.frame(PING, 0, 0, b"12345678");
    }
    // Two may come too soon.
    until_acknowledged(&mut client);
    client.frame(PING, 0, 0, b"12345678");
    assert_eq!(client.last_words(), Some(ENHANCE_YOUR_CALM));
    assert_eq!(client.words, "too_many_pings");
    let seen = server.seen.clone();
    eventually(move || seen.dropped.load(Ordering::Relaxed) == 1);
    server.assert_alive();
}

#[test]
fn pings_between_responses_are_welcome() {
    let server = Server::start();
    let mut client = H2::new(&server);
    for stream in (1..81).step_by(2) {
        client.frame(PING, 0, 0, b"12345678");
        client.get(stream, "/hello");
        assert_eq!(client.response().1, "hello");
    }
}

#[test]
fn pings_while_a_large_piece_goes_out_are_welcome() {
    let server = Server::start();
    let mut client = H2::new(&server);
    // A small window: what is one piece to the server comes bit by bit, and clients measure the way by PINGs.
    let window = 4096u32.to_be_bytes();
    client.frame(SETTINGS, 0, 0, &[&[0, 4], window.as_slice()].concat());
    client.ask(1, "POST", "/echo", false, &[]);
    let mut left = 40_000;
    for flags in [0, 0, 0, END_STREAM] {
        client.frame(DATA, flags, 1, &vec![b'x'; left / 4]);
    }
    while left > 0 {
        left -= client.wait_for(DATA).payload.len();
        client.frame(PING, 0, 0, b"12345678");
        client.frame(WINDOW_UPDATE, 0, 1, &window);
    }
    server.assert_alive();
}

#[test]
fn a_flood_of_pings_is_cut_off_and_its_end_can_be_read() {
    let server = Server::start();
    let mut client = H2::new(&server);
    flood(&mut client, 100_000, PING, 0, 0, b"12345678");
    // It is not a reset that loses the last words, unless the client never stops.
    assert!(matches!(client.last_words(), Some(ENHANCE_YOUR_CALM)));
    server.assert_alive();
}

#[test]
fn pings_may_be_unlimited() {
    let server = Server::with(Config { h2_ping_strikes: 0, ..Config::default() });
    let mut client = H2::new(&server);
    for _ in 0..50 {
        client.frame(PING, 0, 0, b"12345678");
    }
    client.get(1, "/hello");
    assert_eq!(client.response().1, "hello");
}

#[test]
fn frames_that_carry_nothing_end_the_connection() {
    for (kind, stream, payload) in
        [(SETTINGS, 0, [].as_slice()), (PRIORITY, 3, &[0, 0, 0, 0, 1]), (DATA, 1, &[]), (0xee, 0, &[])]
    {
        let server = Server::start();
        let mut client = H2::new(&server);
        client.ask(1, "POST", "/echo", false, &[]);
        flood(&mut client, 5000, kind, 0, stream, payload);
        let error = client.last_words();
        assert!(matches!(error, None | Some(ENHANCE_YOUR_CALM)), "frame {kind}: {error:?}");
        server.assert_alive();
    }
}

#[test]
fn a_head_without_end_ends_the_connection() {
    let server = Server::start();
    let mut client = H2::new(&server);
    client.frame(HEADERS, 0, 1, &[0x82, 0x86, 0x84]);
    flood(&mut client, 5000, CONTINUATION, 0, 1, &[]);
    let error = client.last_words();
    assert!(matches!(error, None | Some(ENHANCE_YOUR_CALM | 1)), "{error:?}");
    let mut client = H2::new(&server);
    client.frame(HEADERS, 0, 1, &[0x82, 0x86, 0x84]);
    // A header of one byte and a value of 200, over and over, and never END_HEADERS.
    let field = [[0, 1, b'x', 127, 73].as_slice(), &[b'y'; 200]].concat();
    flood(&mut client, 5000, CONTINUATION, 0, 1, &field);
    client.last_words();
    assert_eq!(server.seen.requests.load(Ordering::Relaxed), 0);
    server.assert_alive();
}
