//! What malformed HTTP/1 gets: an exact status, a closed connection, and nobody else notices.

use std::sync::atomic::Ordering;

use narthex_edge::Config;

use crate::harness::Server;

/// The server answers with this status, closes, and the service never sees it; another connection goes on as it was.
fn check(bytes: impl AsRef<[u8]>, status: u16) {
    let server = Server::start();
    let mut other = server.connect();
    other.write("GET /hello HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(other.response().body, "hello");
    let shown = String::from_utf8_lossy(bytes.as_ref()).into_owned();
    let said = server.say(&bytes);
    assert!(said.starts_with(&format!("HTTP/1.1 {status} ")), "{shown:?} got {said:?}");
    assert!(said.contains("connection: close\r\n"), "{shown:?} got {said:?}");
    assert_eq!(said.matches("HTTP/1.1 ").count(), 1, "{shown:?} got {said:?}");
    assert_eq!(server.seen.requests.load(Ordering::Relaxed), 1, "{shown:?} reached the service");
    other.write("GET /hello HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(other.response().body, "hello");
}

#[test]
fn request_lines() {
    for line in [
        "GARBAGE",
        "GET",
        "GET /hello",
        "GET /hello HTTP/9.9",
        "GET /hello HTTP/2.0",
        "GET  /hello HTTP/1.1",
        "GET /hel lo HTTP/1.1",
        "G(T /hello HTTP/1.1",
        "GET /\u{1} HTTP/1.1",
        "\u{0}\u{1}\u{2}",
        "GET hello:80 HTTP/1.1",
    ] {
        check(format!("{line}\r\nhost: a\r\n\r\n"), 400);
    }
    check("CONNECT a:443 HTTP/1.1\r\nhost: a:443\r\n\r\n", 501);
}

#[test]
fn headers() {
    for header in [
        "no colon",
        ": no name",
        "sp ace: x",
        "space : x",
        "nul: \u{0}",
        "cr: a\rb",
        " folded: x",
        "x: a\r\n folded",
        "na(me: x",
    ] {
        check(format!("GET /hello HTTP/1.1\r\nhost: a\r\n{header}\r\n\r\n"), 400);
    }
}

#[test]
fn hosts() {
    check("GET /hello HTTP/1.1\r\n\r\n", 400);
    check("GET http://a/hello HTTP/1.1\r\n\r\n", 400);
    check("GET /hello HTTP/1.1\r\nhost: a b/c\r\n\r\n", 400);
    check("GET http://a/hello HTTP/1.1\r\nhost: a/b\r\n\r\n", 400);
    for authority in ["user@a", "a:b", "[::1]a", "a[::1]", "[a"] {
        check(format!("GET http://{authority}/hello HTTP/1.1\r\nhost: a\r\n\r\n"), 400);
    }
    check("GET /hello HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n", 400);
    check("GET /hello HTTP/1.1\r\nhost: a\r\nHost: a\r\n\r\n", 400);
}

#[test]
fn ambiguous_lengths() {
    for headers in [
        "content-length: 3\r\ntransfer-encoding: chunked",
        "transfer-encoding: chunked\r\ncontent-length: 3",
        "Transfer-Encoding: chunked\r\nX: y\r\nCONTENT-LENGTH: 3",
        "content-length: 3\r\ncontent-length: 3",
        "content-length: 3\r\ncontent-length: 4",
        "content-length: 3, 3",
        "content-length: -3",
        "content-length: +3",
        "content-length: 3x",
        "content-length: 0x3",
        "content-length: 99999999999999999999",
        "content-length: 3 3",
        "transfer-encoding: gzip",
        "transfer-encoding: chunked, gzip",
        "transfer-encoding: identity",
        "transfer-encoding: xchunked",
        "transfer-encoding: chunked\r\ntransfer-encoding: chunked",
    ] {
        check(format!("POST /echo HTTP/1.1\r\nhost: a\r\n{headers}\r\n\r\n3\r\nabc\r\n0\r\n\r\n"), 400);
    }
    for coding in ["gzip, chunked", "chunked, chunked", "x, Chunked"] {
        let head = format!("POST /echo HTTP/1.1\r\nhost: a\r\ntransfer-encoding: {coding}\r\n\r\n");
        check(format!("{head}3\r\nabc\r\n0\r\n\r\n"), 501);
    }
    check("POST /echo HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", 400);
}

#[test]
fn the_smuggled_request_is_not_served() {
    let server = Server::start();
    let said = server.say(
        "POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n\
         0\r\n\r\nGET /hello HTTP/1.1\r\nhost: a\r\n\r\n",
    );
    assert!(said.starts_with("HTTP/1.1 400 ") && !said.contains("hello"), "{said:?}");
    assert_eq!(server.seen.requests.load(Ordering::Relaxed), 0);
}

#[test]
fn the_second_of_two_requests() {
    let server = Server::start();
    let said = server.say(
        "POST /echo HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n\
         POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    );
    let (first, second) = said.split_once("ok").expect("the first was answered");
    assert!(first.starts_with("HTTP/1.1 200 "), "{said:?}");
    assert!(second.starts_with("HTTP/1.1 400 "), "{said:?}");
}

#[test]
fn chunks() {
    for chunks in [
        "x\r\n",
        "-1\r\nabc\r\n",
        "3\r\nabcd\r\n",
        "3\r\nab\r\n\r\n",
        "fffffffffffffffff\r\n",
        "3 x\r\nabc\r\n",
        "3\nabc\n",
    ] {
        let server = Server::start();
        let said = server.say(format!(
            "POST /echo HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n{chunks}0\r\n\r\n"
        ));
        assert!(said.starts_with("HTTP/1.1 400 "), "{chunks:?} got {said:?}");
        assert!(said.contains("connection: close\r\n"), "{chunks:?} got {said:?}");
        server.assert_alive();
    }
}

#[test]
fn heads_too_large() {
    let many = "x: y\r\n".repeat(200);
    check(format!("GET /hello HTTP/1.1\r\nhost: a\r\n{many}\r\n"), 431);
    let long = "y".repeat(Config::default().max_header_size);
    check(format!("GET /hello HTTP/1.1\r\nhost: a\r\nx: {long}\r\n\r\n"), 431);
    check(format!("GET /hello HTTP/1.1\r\nhost: a\r\nx: {long}"), 431);
    check(format!("GET /{long} HTTP/1.1\r\nhost: a\r\n\r\n"), 431);
    let server = Server::with(Config { max_headers: 3, ..Config::default() });
    assert!(server.say(format!("GET / HTTP/1.1\r\nhost: a\r\n{many}\r\n")).starts_with("HTTP/1.1 431 "));
}

#[test]
fn what_ends_early() {
    for (bytes, answer) in [
        ("G", ""),
        ("GET /hello HTTP/1.1\r\nhost", ""),
        ("POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nab", "HTTP/1.1 400 "),
        ("POST /echo HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n5\r\nab", "HTTP/1.1 400 "),
    ] {
        let server = Server::start();
        let mut client = server.connect();
        client.write(bytes);
        client.stream.shutdown(std::net::Shutdown::Write).unwrap();
        let said = client.read_to_end();
        assert!(said.starts_with(answer) && said.is_empty() == answer.is_empty(), "{bytes:?} got {said:?}");
        server.assert_alive();
    }
}
