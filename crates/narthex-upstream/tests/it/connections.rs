//! Connections that come, go and fail.

use std::sync::atomic::Ordering;
use std::time::Duration;

use h2::server::Builder;
use narthex_upstream::{Change, Options, Upstream};
use narthex_wire::{Code, envelope};

use crate::calls::wait_for;
use crate::harness::{Answer, assert_serves, call, request, run, upstream};
use crate::peer::Peer;
use crate::raw::{self, DATA, GOAWAY};

const PATIENCE: Duration = Duration::from_secs(5);

fn quick() -> Options {
    Options { connect_timeout: Duration::from_millis(300), ..Options::default() }
}

/// Calls until an upstream that has failed is left alone; how many calls were made before.
///
/// The pauses double: one of them is longer than it takes to call, however slow this machine is.
async fn left_alone(upstream: &Upstream) -> (usize, Answer) {
    for made in 0..10 {
        let answer = call(upstream, "Echo", b"x").await;
        if answer.status.message().contains("the next attempt is in") {
            return (made, answer);
        }
    }
    panic!("it is connected to again and again");
}

#[test]
fn an_upstream_that_is_not_there_is_unavailable_until_it_is() {
    run(|reactor| async move {
        let address = Peer::start(&reactor).address;
        let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let free = gone.local_addr().unwrap();
        drop(gone);
        assert_ne!(address, format!("http://{free}"));
        let upstream = upstream(&reactor, &format!("http://{free}"), quick());
        let answer = call(&upstream, "Echo", b"x").await;
        answer.assert_fails(Code::Unavailable, &format!("the upstream http://{free} cannot be reached"));
        answer.assert_fails(Code::Unavailable, "Connection refused");
        // Calls fail at once while it is left alone.
        let (_, answer) = left_alone(&upstream).await;
        answer.assert_fails(Code::Unavailable, "Connection refused");
        let listener =
            narthex_reactor::net::Listener::bind_tcp(free, narthex_reactor::net::TcpOptions::default())
                .unwrap();
        let peer = Peer::on(&reactor, listener, Builder::new());
        let mut tries = 0;
        loop {
            let answer = call(&upstream, "Echo", b"x").await;
            if answer.status.code() == Code::Ok {
                break;
            }
            tries += 1;
            assert!(tries < 1000, "{:?}", answer.status);
            reactor.sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(peer.seen.connections.load(Ordering::Relaxed), 1);
    });
}

#[test]
fn a_connection_carries_as_many_calls_as_the_upstream_takes() {
    run(|reactor| async move {
        let mut http2 = Builder::new();
        http2.max_concurrent_streams(2);
        let peer = Peer::with(&reactor, http2);
        let upstream = upstream(&reactor, &peer.address, Options::default());
        let calls: Vec<_> =
            (0..5).map(|_| reactor.spawn(upstream.clone().forward(request("Hang", "x")))).collect();
        wait_for(&reactor, || peer.seen.calls.load(Ordering::Relaxed) == 5).await;
        assert_eq!(peer.seen.connections.load(Ordering::Relaxed), 3);
        drop(calls);
        for _ in 0..10 {
            assert_serves(&upstream).await;
        }
        assert_eq!(peer.seen.connections.load(Ordering::Relaxed), 3, "those there are used");
    });
}

#[test]
fn a_goaway_lets_calls_end_and_the_next_take_another_connection() {
    run(|reactor| async move {
        let peer = Peer::start(&reactor);
        let upstream = upstream(&reactor, &peer.address, Options::default());
        for connection in 1..=3 {
            let answer = call(&upstream, "GoAway", b"bye").await;
            assert_eq!(answer.status.code(), Code::Ok, "{:?}", answer.status);
            assert_eq!(answer.data, envelope::encode(b"bye"));
            assert_eq!(peer.seen.connections.load(Ordering::Relaxed), connection);
        }
        assert_serves(&upstream).await;
    });
}

#[test]
fn a_call_that_was_not_looked_at_is_sent_again() {
    run(|reactor| async move {
        let peer = Peer::start(&reactor);
        let upstream = upstream(&reactor, &peer.address, Options::default());
        let answer = call(&upstream, "Refuse", b"again").await;
        assert_eq!(answer.data, envelope::encode(b"again"), "{:?}", answer.status);
        assert_eq!(peer.seen.calls.load(Ordering::Relaxed), 2);
    });
}

#[test]
fn a_call_that_crossed_a_goaway_is_sent_again() {
    let address = raw::peer(|number, frames| {
        let Some(stream) = frames.call() else { return };
        if number == 0 {
            // Of stream 0, which is none, and for no error.
            frames.send(GOAWAY, 0, 0, &[0; 8]);
        } else {
            frames.send_end(stream);
            frames.drain();
        }
    });
    run(|reactor| async move {
        let upstream = upstream(&reactor, &address, Options::default());
        let answer = call(&upstream, "Any", b"x").await;
        assert_eq!(answer.status.code(), Code::Ok, "{:?}", answer.status);
    });
}

#[test]
fn a_connection_cut_amid_a_message_is_unavailable() {
    let address = raw::peer(|number, frames| {
        let Some(stream) = frames.call() else { return };
        if number == 0 {
            frames.send_head(stream);
            frames.send(DATA, 0, stream, &[0, 0, 0, 0, 100, 1, 2, 3]);
        }
    });
    run(|reactor| async move {
        let upstream = upstream(&reactor, &address, Options::default());
        let amid = call(&upstream, "Any", b"x").await;
        amid.assert_fails(Code::Unavailable, &format!("the connection to the upstream {address} is lost"));
        let before = call(&upstream, "Any", b"x").await;
        before.assert_fails(Code::Unavailable, &format!("the connection to the upstream {address} is lost"));
    });
}

#[test]
fn an_upstream_that_takes_no_calls_is_left_alone_for_a_while() {
    run(|reactor| async move {
        let mut http2 = Builder::new();
        http2.max_concurrent_streams(0);
        let peer = Peer::with(&reactor, http2);
        let upstream = upstream(&reactor, &peer.address, Options::default());
        let answer = call(&upstream, "Echo", b"x").await;
        answer.assert_fails(Code::Unavailable, "it takes no calls at present");
        let (made, answer) = left_alone(&upstream).await;
        answer.assert_fails(Code::Unavailable, "it takes no calls at present");
        assert_eq!(peer.seen.connections.load(Ordering::Relaxed), 1 + made);
    });
}

#[test]
fn an_upstream_that_greets_and_leaves_is_left_alone_for_a_while() {
    let address = raw::peer(move |_, frames| {
        if frames.call().is_some() {
            // Of stream 0, which is none: each call may be sent again.
            frames.send(GOAWAY, 0, 0, &[0; 8]);
        }
    });
    run(|reactor| async move {
        let upstream = upstream(&reactor, &address, Options::default());
        let (_, answer) = left_alone(&upstream).await;
        answer.assert_fails(Code::Unavailable, "it ends connections before it has answered a call");
    });
}

#[test]
fn who_waits_hears_of_a_connection_where_there_was_none() {
    run(|reactor| async move {
        let peer = Peer::start(&reactor);
        let upstream = upstream(&reactor, &peer.address, Options::default());
        for _ in 0..2 {
            let changed = upstream.changed();
            assert_serves(&upstream).await;
            assert_eq!(reactor.within(PATIENCE, changed).await, Some(Change::Reconnected));
            let next = reactor.spawn(upstream.changed());
            call(&upstream, "GoAway", b"bye").await;
            assert!(!next.is_finished(), "it is the same connection still");
        }
    });
}

#[test]
fn calls_of_one_connection_have_one_number() {
    run(|reactor| async move {
        let peer = Peer::start(&reactor);
        let upstream = upstream(&reactor, &peer.address, Options::default());
        assert_eq!(upstream.reconnections(), 0);
        assert_eq!(upstream.connected().await.unwrap(), 1);
        assert_serves(&upstream).await;
        assert_eq!(upstream.connected().await.unwrap(), 1);
        assert_eq!(peer.seen.connections.load(Ordering::Relaxed), 1, "the one that it saw to");
        call(&upstream, "GoAway", b"bye").await;
        assert_serves(&upstream).await;
        assert_eq!((upstream.reconnections(), upstream.connected().await.unwrap()), (2, 2));

        let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", gone.local_addr().unwrap());
        drop(gone);
        let nowhere = self::upstream(&reactor, &address, quick());
        assert_eq!(nowhere.connected().await.unwrap_err().code(), Code::Unavailable);
    });
}

#[test]
fn who_waits_hears_of_a_method_that_is_not_known() {
    run(|reactor| async move {
        let peer = Peer::start(&reactor);
        let upstream = upstream(&reactor, &peer.address, Options::default());
        assert_serves(&upstream).await;
        // In the head, which is all of the answer, and behind a message.
        for method in ["Unimplemented", "UnimplementedAtLast"] {
            let changed = upstream.changed();
            call(&upstream, method, b"x").await.assert_fails(Code::Unimplemented, "");
            assert_eq!(reactor.within(PATIENCE, changed).await, Some(Change::Doubted), "{method}");
        }
        let changed = upstream.changed();
        upstream.doubt();
        assert_eq!(reactor.within(PATIENCE, changed).await, Some(Change::Doubted));
    });
}

#[test]
fn an_angry_goaway_is_unavailable() {
    let address = raw::peer(|_, frames| {
        let Some(stream) = frames.call() else { return };
        let words = [&stream.to_be_bytes()[..], &11u32.to_be_bytes(), b"too_many_pings"].concat();
        frames.send(GOAWAY, 0, 0, &words);
    });
    run(|reactor| async move {
        let upstream = upstream(&reactor, &address, Options::default());
        call(&upstream, "Any", b"x").await.assert_fails(Code::Unavailable, &address);
    });
}

#[test]
fn an_upstream_that_says_nothing_is_given_up() {
    // It accepts, by the system's backlog, and never speaks.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", silent.local_addr().unwrap());
    run(|reactor| async move {
        let upstream = upstream(&reactor, &address, quick());
        let answer = call(&upstream, "Any", b"x").await;
        answer.assert_fails(Code::Unavailable, "it did not answer within 300ms");
    });
}

#[test]
fn what_speaks_another_protocol_is_unavailable() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let other = std::thread::spawn(move || {
        use std::io::{Read as _, Write as _};
        let (mut stream, _) = listener.accept().unwrap();
        stream.read_exact(&mut [0; 24]).unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").unwrap();
    });
    run(|reactor| async move {
        let upstream = upstream(&reactor, &address, Options::default());
        call(&upstream, "Any", b"x").await.assert_fails(Code::Unavailable, "it does not speak HTTP/2");
    });
    other.join().unwrap();
}

#[test]
fn a_connection_that_fell_silent_is_given_up() {
    let address = raw::peer(|_, frames| {
        let Some(stream) = frames.call() else { return };
        frames.send_head(stream);
        // Pings go unanswered from here on, and the connection stays.
        frames.ignore();
    });
    run(|reactor| async move {
        let options = Options {
            ping_interval: Some(Duration::from_millis(50)),
            ping_timeout: Duration::from_millis(50),
            ..Options::default()
        };
        let upstream = upstream(&reactor, &address, options);
        let response = upstream.forward(request("Any", "x")).await;
        Answer::of(response).await.assert_fails(Code::Unavailable, "is lost");
    });
}

#[test]
fn an_upstream_that_answers_pings_is_kept() {
    let address = raw::peer(|_, frames| {
        let Some(stream) = frames.call() else { return };
        frames.answer_pings(3);
        frames.send_end(stream);
        frames.drain();
    });
    run(|reactor| async move {
        let options = Options {
            ping_interval: Some(Duration::from_millis(5)),
            ping_timeout: Duration::from_secs(5),
            ..Options::default()
        };
        let upstream = upstream(&reactor, &address, options);
        assert_eq!(call(&upstream, "Any", b"x").await.status.code(), Code::Ok);
    });
}
