//! Connections that have become old.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use narthex_edge::Config;

use crate::harness::{PATIENCE, Server, eventually};
use crate::http2::{DATA, END_STREAM, GOAWAY, H2};

const AGE: Duration = Duration::from_millis(500);

fn aging(grace: Option<Duration>) -> Server {
    Server::with(Config { max_age: Some(AGE), max_age_grace: grace, ..Config::default() })
}

#[test]
fn an_old_connection_without_requests_is_closed() {
    let server = aging(None);
    let start = Instant::now();
    let mut client = server.connect();
    client.write("GET /hello HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(client.response().body, "hello");
    client.assert_closed();
    assert!(start.elapsed() >= AGE.mul_f64(0.9));
    let mut client = H2::new(&server);
    client.get(1, "/hello");
    assert_eq!(client.response().1, "hello");
    assert_eq!(client.last_words(), Some(0));
}

#[test]
fn an_old_connection_ends_with_what_is_in_flight() {
    let server = aging(None);
    let mut client = H2::new(&server);
    client.ask(1, "POST", "/echo", false, &[]);
    client.wait_for(GOAWAY);
    // A request that crossed the GOAWAY is still served.
    client.get(3, "/hello");
    assert_eq!(client.response().1, "hello");
    client.frame(DATA, END_STREAM, 1, b"abc");
    assert_eq!(client.response().1, "abc");
    assert_eq!(client.last_words(), Some(0));
    let mut client = server.connect();
    client.write("POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\n");
    client.stream.set_read_timeout(Some(AGE * 2)).unwrap();
    let nothing = std::io::Read::read(&mut &client.stream, &mut [0]).unwrap_err();
    assert_eq!(nothing.kind(), std::io::ErrorKind::WouldBlock);
    client.stream.set_read_timeout(Some(PATIENCE)).unwrap();
    client.write("abc");
    let reply = client.response();
    assert!(reply.head.contains("connection: close\r\n"), "{}", reply.head);
    client.assert_closed();
}

#[test]
fn the_grace_of_an_old_connection_ends() {
    let server = aging(Some(AGE));
    let mut client = H2::new(&server);
    client.get(1, "/hang");
    client.last_words();
    let seen = server.seen.clone();
    eventually(move || seen.dropped.load(Ordering::Relaxed) == 1);
    let mut client = server.connect();
    client.write("GET /hang HTTP/1.1\r\nhost: a\r\n\r\n");
    client.assert_closed();
}
