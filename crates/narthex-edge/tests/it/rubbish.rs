//! Nothing that a client sends ends the server.

use std::io::Write as _;
use std::net::{Shutdown, TcpStream};

use proptest::prelude::*;
use proptest::test_runner::{Config as Runs, TestRunner};

use crate::harness::{Client, Server};

/// Writes as much of it as the server takes, and reads until it closes.
fn throw(server: &Server, bytes: &[u8]) {
    let mut stream = TcpStream::connect(server.address).unwrap();
    // The server may close in the middle.
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(Shutdown::Write);
    Client::new(stream).read_to_end();
}

fn check(strategy: impl Strategy<Value = Vec<u8>>) {
    let server = Server::start();
    let mut runner = TestRunner::new(Runs { cases: 200, failure_persistence: None, ..Runs::default() });
    let result = runner.run(&strategy, |bytes| {
        throw(&server, &bytes);
        Ok(())
    });
    result.unwrap();
    server.assert_alive();
    let serving = server.serving.clone();
    crate::harness::eventually(move || serving.exchanges() == 0);
}

#[test]
fn random_bytes() {
    check(prop::collection::vec(any::<u8>(), 0..500));
}

#[test]
fn something_like_http_1() {
    let piece = prop_oneof![
        Just("GET /hello HTTP/1.1\r\n".to_owned()),
        Just("POST /echo HTTP/1.1\r\n".to_owned()),
        Just("host: a\r\n".to_owned()),
        Just("\r\n".to_owned()),
        Just("\r\n\r\n".to_owned()),
        Just("transfer-encoding: chunked\r\n".to_owned()),
        Just("expect: 100-continue\r\n".to_owned()),
        Just("connection: close\r\n".to_owned()),
        "content-length: [0-9]{0,4}\r\n",
        "[0-9a-f]{1,3}\r\n",
        "[a-zA-Z-]{1,8}: ?[ -~]{0,20}\r\n",
        "\\PC{0,20}",
    ];
    check(prop::collection::vec(piece, 0..15).prop_map(|pieces| pieces.concat().into_bytes()));
}

#[test]
fn something_like_http_2() {
    let frame = (any::<u8>(), 0u8..12, any::<u8>(), 0u32..8, prop::collection::vec(any::<u8>(), 0..60))
        .prop_map(|(lie, kind, flags, stream, payload)| {
            let length = if lie < 20 { u32::from(lie) } else { u32::try_from(payload.len()).unwrap() };
            let mut frame = length.to_be_bytes()[1..].to_vec();
            frame.extend([kind, flags]);
            frame.extend(stream.to_be_bytes());
            frame.extend(payload);
            frame
        });
    check((any::<bool>(), prop::collection::vec(frame, 0..12)).prop_map(|(settings, frames)| {
        let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        if settings {
            bytes.extend([0, 0, 0, 4, 0, 0, 0, 0, 0]);
        }
        bytes.extend(frames.concat());
        bytes
    }));
}
