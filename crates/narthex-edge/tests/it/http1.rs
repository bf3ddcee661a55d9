//! What a well-behaved HTTP/1 client gets.

use std::sync::atomic::Ordering;

use narthex_edge::Config;

use crate::harness::{BROKEN, Server, eventually};

#[test]
fn connections_are_kept_alive_and_pipelined() {
    let server = Server::start();
    let mut client = server.connect();
    for _ in 0..3 {
        client.write("GET /hello HTTP/1.1\r\nhost: a\r\n\r\n");
        let reply = client.response();
        assert_eq!((reply.status, reply.body.as_str()), (200, "hello"));
        assert!(!reply.head.contains("connection:"));
        assert!(reply.head.contains("\r\ndate: "));
    }
    let pipelined = "POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabcGET /hello HTTP/1.1\r\nhost: a\r\n\r\n";
    client.write(pipelined.repeat(20));
    for _ in 0..20 {
        assert_eq!(client.response().body, "abc");
        assert_eq!(client.response().body, "hello");
    }
    assert_eq!(server.serving.connections(), 1);
    client.write("GET /hello HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
    assert!(client.response().head.contains("connection: close"));
    client.assert_closed();
}

#[test]
fn http_1_0_closes_unless_asked() {
    let server = Server::start();
    assert!(server.say("GET /hello HTTP/1.0\r\n\r\n").ends_with("\r\n\r\nhello"));
    let mut client = server.connect();
    client.write("GET /hello HTTP/1.0\r\nconnection: keep-alive\r\n\r\n");
    assert_eq!(client.response().body, "hello");
    client.write("GET /hello HTTP/1.0\r\n\r\n");
    assert_eq!(client.response().body, "hello");
    client.assert_closed();
}

#[test]
fn bodies_are_chunked_both_ways() {
    let server = Server::start();
    let mut client = server.connect();
    client.write("POST /echo HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n");
    client.write("A;ext=1\r\n0123456789\r\n0\r\ntrailer: x\r\n\r\n");
    assert_eq!(client.response().body, "abc0123456789");
    client.write("GET /pieces HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(client.response().body, "3\r\nabc\r\n3\r\nabc\r\n3\r\nabc\r\n0\r\n\r\n");
    assert!(server.say("GET /pieces HTTP/1.0\r\n\r\n").ends_with("\r\n\r\nabcabcabc"));
}

#[test]
fn responses_without_bodies() {
    let server = Server::start();
    let mut client = server.connect();
    client.write("HEAD /hello HTTP/1.1\r\nhost: a\r\n\r\n");
    assert!(client.head().head.contains("content-length: 5\r\n"));
    client.write("HEAD /pieces HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(client.head().status, 200);
    client.write("GET /204 HTTP/1.1\r\nhost: a\r\n\r\n");
    let reply = client.response();
    assert_eq!(reply.status, 204);
    assert!(!reply.head.contains("content-length") && !reply.head.contains("transfer-encoding"));
    client.write("GET /205 HTTP/1.1\r\nhost: a\r\n\r\n");
    let reply = client.response();
    assert_eq!((reply.status, reply.body.as_str()), (205, ""));
    client.write("GET /304 HTTP/1.1\r\nhost: a\r\n\r\n");
    let reply = client.response();
    assert_eq!(reply.status, 304);
    assert!(reply.head.contains("content-length: 1234\r\n"), "{}", reply.head);
    client.write("GET /hello HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(client.response().body, "hello");
}

#[test]
fn expect_100_is_answered_when_the_body_is_read() {
    let server = Server::start();
    let mut client = server.connect();
    client.write("POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\nexpect: 100-continue\r\n\r\n");
    assert_eq!(client.until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
    client.write("abc");
    assert_eq!(client.response().body, "abc");
    client.write("POST /unread HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\nexpect: 100-continue\r\n\r\n");
    assert_eq!(client.response().status, 413);
}

#[test]
fn an_upgrade_is_an_ordinary_request() {
    let server = Server::start();
    let mut client = server.connect();
    for upgrade in ["websocket", "h2c"] {
        client.write(format!(
            "GET /hello HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: {upgrade}\r\nhttp2-settings: AAMAAABk\r\n\r\n"
        ));
        assert_eq!(client.response().body, "hello");
    }
    // A service cannot switch either.
    client.write("GET /101 HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n");
    assert_eq!(client.response().status, 500);
}

#[test]
fn targets_in_absolute_form_become_ordinary() {
    let server = Server::start();
    let mut client = server.connect();
    client.write("GET http://b.example:81/target?q=1 HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(client.response().body, "/target?q=1 host=b.example:81 authority=none");
    client.write("GET /target HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(client.response().body, "/target host=a authority=none");
    client.write("OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(client.response().status, 404);
}

#[test]
fn a_body_that_nobody_reads_does_not_cost_the_answer() {
    let server = Server::start();
    let mut client = server.connect();
    client.write("POST /unread HTTP/1.1\r\nhost: a\r\ncontent-length: 4000000\r\n\r\n");
    client.write(vec![b'x'; 4_000_000]);
    let reply = client.response();
    assert!(reply.head.starts_with("HTTP/1.1 413 Content Too Large\r\n"), "{}", reply.head);
    client.assert_closed();
}

#[test]
fn a_response_that_fails_is_cut_off() {
    let server = Server::start();
    let said = server.say("GET /broken HTTP/1.1\r\nhost: a\r\n\r\n");
    assert!(said.ends_with("\r\n\r\n3\r\nabc\r\n"), "no last chunk: {said:?}");
    let said = server.say("GET /broken/at-once HTTP/1.1\r\nhost: a\r\n\r\n");
    assert!(said.starts_with("HTTP/1.1 200 ") && said.ends_with("\r\n\r\n"), "the head only: {said:?}");
    let said = server.say("GET /broken/large HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(said.matches('x').count(), BROKEN, "all that came before");
    assert!(said.ends_with("x\r\n"), "no last chunk");
    server.assert_alive();
}

#[test]
fn a_response_that_only_the_end_delimits_is_cut_off_by_a_reset() {
    let server = Server::start();
    let mut client = server.connect();
    client.write("GET /broken HTTP/1.0\r\n\r\n");
    assert!(client.until_reset().ends_with("\r\n\r\nabc"));
    let mut client = server.connect();
    client.write("GET /bomb HTTP/1.0\r\n\r\n");
    client.until_reset();
    let mut client = server.connect();
    client.write("GET /endless HTTP/1.0\r\n\r\n");
    client.until("\r\n\r\nx");
    server.serving.abort();
    client.until_reset();
}

#[test]
fn a_body_that_panics_ends_its_connection_only() {
    let server = Server::start();
    server.say("GET /bomb HTTP/1.1\r\nhost: a\r\n\r\n");
    server.assert_alive();
    let serving = server.serving.clone();
    eventually(move || serving.exchanges() == 0 && serving.connections() == 0);
}

#[test]
fn a_response_that_lies_about_its_length_is_not_sent() {
    let server = Server::start();
    let mut client = server.connect();
    client.write("GET /liar HTTP/1.1\r\nhost: a\r\n\r\nGET /hello HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(client.response().status, 500);
    assert_eq!(client.response().body, "hello");
}

#[test]
fn a_client_that_leaves_ends_its_exchange() {
    let server = Server::start();
    let mut client = server.connect();
    client.write("GET /hang HTTP/1.1\r\nhost: a\r\n\r\n");
    let seen = server.seen.clone();
    eventually(move || seen.requests.load(Ordering::Relaxed) == 1);
    assert_eq!(server.serving.exchanges(), 1);
    drop(client);
    let seen = server.seen.clone();
    eventually(move || seen.dropped.load(Ordering::Relaxed) == 1);
    let serving = server.serving.clone();
    eventually(move || serving.connections() == 0 && serving.exchanges() == 0);
}

#[test]
fn a_client_that_does_not_read_stops_the_response() {
    let server = Server::start();
    let mut client = server.connect();
    // A pipeline of endless answers: only what fits the sockets' and hyper's buffers may be produced.
    client.write("GET /endless HTTP/1.1\r\nhost: a\r\n\r\n".repeat(10));
    client.until("\r\n\r\n");
    server.assert_alive();
    assert_eq!(server.seen.requests.load(Ordering::Relaxed), 2, "the second request waits for the first");
    drop(client);
    let serving = server.serving.clone();
    eventually(move || serving.exchanges() == 0);
}

#[test]
fn an_idle_limit_does_not_end_a_slow_download() {
    let config = Config { keep_alive_timeout: std::time::Duration::from_millis(50), ..Config::default() };
    let server = Server::with(config);
    let mut client = server.connect();
    // As much as hyper keeps for a socket that takes no more: its exchange is over, its bytes are not sent.
    let body = "x".repeat(6_000_000);
    client.write(format!("POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n{body}", body.len()));
    let start = std::time::Instant::now();
    eventually(move || start.elapsed() > std::time::Duration::from_millis(300));
    assert_eq!(client.response().body.len(), body.len());
    client.assert_closed();
}

#[test]
fn an_answer_to_a_body_that_nobody_has_read_says_that_it_is_the_last() {
    let server = Server::start();
    for framing in ["content-length: 3", "transfer-encoding: chunked"] {
        let body = if framing.starts_with('c') { "abc" } else { "3\r\nabc\r\n0\r\n\r\n" };
        for sent in ["", body] {
            let mut client = server.connect();
            client.write(format!("POST /unread HTTP/1.1\r\nhost: a\r\n{framing}\r\n\r\n{sent}"));
            let reply = client.response();
            assert_eq!(reply.status, 413);
            assert!(reply.head.contains("connection: close\r\n"), "{framing} {sent:?}: {}", reply.head);
            client.assert_closed();
            // One that is read leaves the connection open.
            let mut client = server.connect();
            client.write(format!("POST /echo HTTP/1.1\r\nhost: a\r\n{framing}\r\n\r\n{body}"));
            let reply = client.response();
            assert!(!reply.head.contains("connection: close"), "{framing}: {}", reply.head);
            client.write("GET /hello HTTP/1.1\r\nhost: a\r\n\r\n");
            assert_eq!(client.response().body, "hello");
        }
    }
}

#[test]
fn an_answer_that_begins_while_the_body_is_read_is_not_the_last() {
    let server = Server::start();
    let mut client = server.connect();
    client.write("POST /mirror HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n");
    let head = client.until("\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 200") && !head.contains("connection: close"), "{head}");
    client.until("abc\r\n");
    client.write("3\r\ndef\r\n0\r\n\r\n");
    client.until("def\r\n0\r\n\r\n");
    client.write("GET /hello HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(client.response().body, "hello");
}
