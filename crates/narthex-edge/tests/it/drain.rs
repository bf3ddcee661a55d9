//! Stopping.

use std::net::TcpStream;
use std::sync::atomic::Ordering;

use crate::harness::{Server, eventually};

#[test]
fn idle_connections_are_closed_and_new_ones_refused() {
    let server = Server::start();
    let mut fresh = server.connect();
    let mut used = server.connect();
    used.write("GET /hello HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(used.response().body, "hello");
    let serving = server.serving.clone();
    eventually(move || serving.connections() == 2);
    server.serving.drain();
    fresh.assert_closed();
    used.assert_closed();
    server.wait_drained();
    assert_eq!(server.serving.connections(), 0);
    assert!(TcpStream::connect(server.address).is_err());
}

#[test]
fn what_is_in_flight_is_finished_and_then_closed() {
    let server = Server::start();
    let mut client = server.connect();
    client.write("POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 6\r\n\r\nabc");
    let seen = server.seen.clone();
    eventually(move || seen.requests.load(Ordering::Relaxed) == 1);
    server.serving.drain();
    let address = server.address;
    eventually(move || TcpStream::connect(address).is_err());
    assert_eq!(server.serving.exchanges(), 1);
    client.write("def");
    let reply = client.response();
    assert_eq!(reply.body, "abcdef");
    assert!(reply.head.contains("connection: close\r\n"));
    client.assert_closed();
    server.wait_drained();
}

#[test]
fn an_abort_drops_what_is_in_flight() {
    let server = Server::start();
    let mut client = server.connect();
    client.write("GET /hang HTTP/1.1\r\nhost: a\r\n\r\n");
    let seen = server.seen.clone();
    eventually(move || seen.requests.load(Ordering::Relaxed) == 1);
    server.serving.drain();
    server.serving.abort();
    client.assert_closed();
    server.wait_drained();
    assert_eq!(server.seen.dropped.load(Ordering::Relaxed), 1);
}

#[test]
fn a_half_sent_head_does_not_keep_a_server() {
    let server = Server::start();
    let mut client = server.connect();
    client.write("GET /hello HTTP/1.1\r\nho");
    let mut other = server.connect();
    other.write("GET /hello HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(other.response().body, "hello");
    server.serving.drain();
    // It was begun, so it may be finished.
    client.write("st: a\r\n\r\n");
    let reply = client.response();
    assert_eq!(reply.body, "hello");
    assert!(reply.head.contains("connection: close\r\n"));
    server.wait_drained();
}
