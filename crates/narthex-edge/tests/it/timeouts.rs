//! Clients that are slow, or say nothing.

use std::time::{Duration, Instant};

use narthex_edge::Config;

use crate::harness::Server;

const SHORT: Duration = Duration::from_millis(400);

fn header() -> Server {
    Server::with(Config { header_timeout: SHORT, ..Config::default() })
}

#[test]
fn a_client_that_says_nothing_is_let_go() {
    let server = header();
    let start = Instant::now();
    server.connect().assert_closed();
    assert!(start.elapsed() >= SHORT);
    server.assert_alive();
}

#[test]
fn a_slow_head_is_a_408() {
    let server = header();
    let mut client = server.connect();
    client.write("GET /hello HTTP/1.1\r\nhost:");
    let said = client.read_to_end();
    assert_eq!(said, "HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
}

#[test]
fn a_slow_second_head_is_a_408() {
    let server = header();
    let mut client = server.connect();
    client.write("GET /hello HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(client.response().body, "hello");
    client.write("GET /hello HTTP/1.1\r\nhost:");
    assert!(client.read_to_end().starts_with("HTTP/1.1 408 "));
}

#[test]
fn a_head_that_drips_is_a_408() {
    let server = header();
    let mut client = server.connect();
    let start = Instant::now();
    client.write("GET /hello HTTP/1.1\r\nhost: a\r\n");
    // Each line comes in time, all of them do not.
    client.stream.set_read_timeout(Some(SHORT / 5)).unwrap();
    let mut byte = [0];
    while std::io::Read::read(&mut &client.stream, &mut byte).is_err() {
        assert!(start.elapsed() < Duration::from_secs(20), "it was never cut off");
        if std::io::Write::write_all(&mut &client.stream, b"x: y\r\n").is_err() {
            break;
        }
    }
    assert!(start.elapsed() >= SHORT);
}

#[test]
fn a_slow_preface_is_let_go() {
    let server = header();
    let mut client = server.connect();
    client.write("PRI * HTTP/2.0\r\n\r\n");
    client.assert_closed();
}

#[test]
fn an_idle_connection_is_closed_in_silence() {
    let server = Server::with(Config { keep_alive_timeout: SHORT, ..Config::default() });
    let mut client = server.connect();
    let mut start = Instant::now();
    for _ in 0..3 {
        start = Instant::now();
        client.write("GET /hello HTTP/1.1\r\nhost: a\r\n\r\n");
        assert_eq!(client.response().body, "hello");
    }
    client.assert_closed();
    assert!(start.elapsed() >= SHORT, "{:?}", start.elapsed());
}

#[test]
fn a_connection_in_use_is_not_idle() {
    let server = Server::with(Config { keep_alive_timeout: SHORT, ..Config::default() });
    let mut client = server.connect();
    let start = Instant::now();
    let mut served = 0;
    while start.elapsed() < SHORT * 2 {
        client.write("GET /hello HTTP/1.1\r\nhost: a\r\n\r\n");
        assert_eq!(client.response().body, "hello");
        served += 1;
    }
    assert!(served > 4);
}

#[test]
fn a_body_that_stalls_is_a_408() {
    let server = Server::with(Config { body_timeout: SHORT, ..Config::default() });
    for framing in ["content-length: 5\r\n\r\nab", "transfer-encoding: chunked\r\n\r\n5\r\nab"] {
        let mut client = server.connect();
        client.write(format!("POST /echo HTTP/1.1\r\nhost: a\r\n{framing}"));
        let reply = client.response();
        assert_eq!(reply.status, 408);
        assert!(reply.head.contains("connection: close\r\n"));
        client.assert_closed();
    }
    server.assert_alive();
}

#[test]
fn a_body_that_comes_slowly_is_read() {
    let server = Server::with(Config { body_timeout: Duration::from_secs(2), ..Config::default() });
    let mut client = server.connect();
    client.write("POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 40\r\n\r\n");
    client.stream.set_read_timeout(Some(Duration::from_millis(70))).unwrap();
    for _ in 0..40 {
        let nothing = std::io::Read::read(&mut &client.stream, &mut [0]).unwrap_err();
        assert_eq!(nothing.kind(), std::io::ErrorKind::WouldBlock);
        client.write("x");
    }
    client.stream.set_read_timeout(Some(crate::harness::PATIENCE)).unwrap();
    assert_eq!(client.response().body, "x".repeat(40));
}

#[test]
fn an_exchange_may_take_longer_than_any_of_them() {
    let server = Server::with(Config {
        header_timeout: SHORT,
        body_timeout: SHORT,
        keep_alive_timeout: SHORT,
        ..Config::default()
    });
    let mut client = server.connect();
    client.write("GET /hang HTTP/1.1\r\nhost: a\r\n\r\n");
    client.stream.set_read_timeout(Some(SHORT * 3)).unwrap();
    let nothing = std::io::Read::read(&mut &client.stream, &mut [0]).unwrap_err();
    assert_eq!(nothing.kind(), std::io::ErrorKind::WouldBlock);
}
