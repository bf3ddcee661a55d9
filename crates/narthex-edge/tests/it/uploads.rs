//! HTTP/2 requests that are answered before their bodies have come.

use crate::harness::Server;
use crate::http2::{DATA, END_STREAM, H2, HEADERS, RST_STREAM, resets, until_acknowledged};

#[test]
fn an_answer_to_a_body_that_nobody_reads_is_not_followed_by_a_reset() {
    let server = Server::start();
    let mut client = H2::new(&server);
    let hosts = [("host", "a"), ("host", "b")];
    for (stream, path, headers, status) in
        [(1, "/unread", [].as_slice(), 413), (3, "/204", &[], 204), (5, "/hello", &hosts, 400)]
    {
        client.ask(stream, "POST", path, false, headers);
        assert_eq!(client.response().0, status, "{path}");
        assert_eq!(resets(&until_acknowledged(&mut client)), 0, "{path}");
        // More than the window of a stream or connection: it is opened again.
        for _ in 0..20 {
            client.frame(DATA, 0, stream, &[b'x'; 10_000]);
            assert_eq!(resets(&until_acknowledged(&mut client)), 0, "{path}");
        }
        client.frame(DATA, END_STREAM, stream, b"abc");
        assert_eq!(resets(&until_acknowledged(&mut client)), 0, "{path}");
    }
    client.get(7, "/hello");
    assert_eq!(client.response().1, "hello");
}

#[test]
fn an_answer_does_not_end_before_the_upload() {
    let server = Server::start();
    let mut client = H2::new(&server);
    for (stream, path) in [(1, "/204"), (3, "/unread")] {
        client.ask(stream, "POST", path, false, &[]);
        let head = client.wait_for(HEADERS);
        assert_eq!(head.flags & END_STREAM, 0, "{path}");
        client.frame(DATA, END_STREAM, stream, b"abc");
        while client.wait_for(DATA).flags & END_STREAM == 0 {}
    }
    // Who makes a gRPC call may wait for its status before it ends its side.
    client.ask(5, "POST", "/grpc", false, &[]);
    assert_ne!(client.wait_for(HEADERS).flags & END_STREAM, 0);
}

#[test]
fn a_body_that_nobody_reads_and_that_does_not_end_is_reset() {
    let server = Server::start();
    let mut client = H2::new(&server);
    client.ask(1, "POST", "/unread", false, &[]);
    assert_eq!(client.response().0, 413);
    let reset = client.wait_for(RST_STREAM);
    assert_eq!((reset.stream, reset.payload), (1, vec![0; 4]), "NO_ERROR");
}
