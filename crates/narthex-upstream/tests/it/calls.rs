//! Calls to an upstream that behaves, and answers that are not what was hoped for.

use std::future::poll_fn;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use futures_util::{Stream as _, StreamExt as _};
use h2::Reason;
use http_body::{Body as HttpBody, Frame};
use narthex_upstream::Options;
use narthex_wire::{Body, BoxError, Client, Code, Connection, Endpoint, Origin, Scheme, envelope};

use crate::harness::{Answer, assert_serves, call, request, run, upstream};
use crate::peer::Peer;

/// A request's body that a test sends piece by piece.
struct Pieces {
    pieces: UnboundedReceiver<Result<Bytes, BoxError>>,
    /// It tells with the last piece that it is the last, as HTTP/2 does by a flag; that piece may be empty.
    tells_end: bool,
}

impl HttpBody for Pieces {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.pieces.poll_next_unpin(cx).map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.tells_end && self.pieces.size_hint().1 == Some(0)
    }
}

fn pieces() -> (UnboundedSender<Result<Bytes, BoxError>>, Body) {
    let (sender, pieces) = unbounded();
    (sender, Body::new(Pieces { pieces, tells_end: false }))
}

#[test]
fn a_call_comes_back_with_all_its_metadata() {
    run(|reactor| async move {
        let peer = Peer::start(&reactor);
        let upstream = upstream(&reactor, &peer.address, Options::default());
        for size in [0, 1, 100, 20_000, 3_000_000] {
            let message = vec![7; size];
            let answer = call(&upstream, "Echo", &message).await;
            assert_eq!(answer.data, envelope::encode(&message));
            assert_eq!(answer.headers["x-first"], "one");
            assert_eq!(answer.status.metadata()["x-last"], "two");
            assert_eq!(answer.status.code(), Code::Ok);
        }
        assert_eq!(peer.seen.connections.load(Ordering::Relaxed), 1);
    });
}

#[test]
fn messages_pass_both_ways_as_they_come() {
    run(|reactor| async move {
        let peer = Peer::start(&reactor);
        let upstream = upstream(&reactor, &peer.address, Options::default());
        let (sender, body) = pieces();
        sender.unbounded_send(Ok(Bytes::from("one"))).unwrap();
        let mut answer = upstream.forward(request("Echo", body)).await.into_body();
        for next in ["two", "three", "four"] {
            let came = answer.frame().await.unwrap().unwrap().into_data().unwrap();
            sender.unbounded_send(Ok(Bytes::from(next))).unwrap();
            assert_ne!(came, next);
        }
        drop(sender);
        assert_eq!(answer.frame().await.unwrap().unwrap().into_data().unwrap(), "four");
        let trailers = answer.frame().await.unwrap().unwrap().into_trailers().unwrap();
        assert_eq!(trailers["grpc-status"], "0");
        assert!(answer.frame().await.is_none());
    });
}

#[test]
fn a_request_ends_by_its_last_piece() {
    for last in ["", "last"] {
        run(move |reactor| async move {
            let peer = Peer::start(&reactor);
            let upstream = upstream(&reactor, &peer.address, Options::default());
            let (sender, pieces) = unbounded();
            for piece in ["one", "", last] {
                sender.unbounded_send(Ok(Bytes::from(piece))).unwrap();
            }
            let body = Body::new(Pieces { pieces, tells_end: true });
            drop(sender);
            let answer = Answer::of(upstream.forward(request("Echo", body)).await).await;
            assert_eq!(answer.data, format!("one{last}"));
        });
    }
}

/// The head that the upstream has seen of a call, as lines.
async fn seen_head(upstream: &narthex_upstream::Upstream, request: http::Request<Body>) -> Vec<String> {
    let answer = Answer::of(upstream.clone().forward(request).await).await;
    String::from_utf8(answer.data.to_vec()).unwrap().lines().map(str::to_owned).collect()
}

fn origin(peer: &str) -> Origin {
    let endpoint = Endpoint::Tcp(peer.parse().unwrap());
    Origin::of(&Arc::new(Connection::plain(endpoint.clone(), endpoint)))
}

#[test]
fn the_head_says_what_a_proxy_has_to_say() {
    run(|reactor| async move {
        let peer = Peer::start(&reactor);
        let authority = peer.address.trim_start_matches("http://").to_owned();
        let own = upstream(&reactor, &peer.address, Options::default());
        let mut asked = request("Head", "x");
        *asked.uri_mut() = "http://shop.example/t.T/Head".parse().unwrap();
        for (name, value) in [
            ("user-agent", "grpc-test/1"),
            ("grpc-encoding", "gzip"),
            ("grpc-timeout", "60S"),
            ("x-forwarded-for", "203.0.113.9"),
            ("x-token-bin", "AAEC"),
            ("connection", "keep-alive, x-mine"),
            ("x-mine", "hop"),
            ("keep-alive", "1"),
            ("content-length", "77"),
        ] {
            asked.headers_mut().insert(name, value.parse().unwrap());
        }
        let arrival = Instant::now().checked_sub(Duration::from_secs(20)).unwrap();
        let client = Client::Forwarded(IpAddr::from([203, 0, 113, 9]));
        asked.extensions_mut().insert(Origin {
            arrival,
            client,
            scheme: Scheme::Https,
            ..origin("10.0.0.1:5")
        });
        let lines = seen_head(&own, asked).await;
        for expected in [
            &*format!(":authority: {authority}"),
            ":scheme: http",
            "te: trailers",
            "content-type: application/grpc+proto",
            "user-agent: grpc-test/1",
            "grpc-encoding: gzip",
            "x-token-bin: AAEC",
            "x-forwarded-for: 203.0.113.9, 10.0.0.1",
            "x-forwarded-proto: https",
            "x-forwarded-host: shop.example",
        ] {
            assert!(lines.iter().any(|line| line == expected), "{expected} in {lines:#?}");
        }
        let timeout = lines.iter().find_map(|line| line.strip_prefix("grpc-timeout: ")).unwrap();
        assert!(timeout.starts_with("39") && timeout.ends_with('u'), "what is left of it: {timeout}");
        for gone in ["connection", "x-mine", "keep-alive", "content-length", "host"] {
            assert!(!lines.iter().any(|line| line.starts_with(&format!("{gone}:"))), "{gone} in {lines:#?}");
        }
        let keeping = Options { keep_authority: true, ..Options::default() };
        let kept = upstream(&reactor, &peer.address, keeping);
        let mut asked = request("Head", "x");
        asked.headers_mut().insert("host", "shop.example:8080".parse().unwrap());
        let lines = seen_head(&kept, asked).await;
        assert_eq!(lines[0], ":authority: shop.example:8080");
    });
}

#[test]
fn trailers_alone_stay_so() {
    run(|reactor| async move {
        let peer = Peer::start(&reactor);
        let upstream = upstream(&reactor, &peer.address, Options::default());
        let response = upstream.clone().forward(request("TrailersOnly", "x")).await;
        assert!(response.body().is_end_stream());
        Answer::of(response).await.assert_fails(Code::NotFound, "no such book");
    });
}

#[test]
fn what_is_no_answer_of_grpc_is_a_status() {
    run(|reactor| async move {
        let peer = Peer::start(&reactor);
        let upstream = upstream(&reactor, &peer.address, Options::default());
        let html = call(&upstream, "Html", b"x").await;
        html.assert_fails(Code::Unavailable, "HTTP 502 Bad Gateway, text/html");
        html.assert_fails(Code::Unavailable, &peer.address);
        call(&upstream, "Reset", b"x").await.assert_fails(Code::ResourceExhausted, &peer.address);
        assert_serves(&upstream).await;
    });
}

#[test]
fn a_client_that_leaves_before_the_answer_resets_the_stream() {
    run(|reactor| async move {
        let mut peer = Peer::start(&reactor);
        let upstream = upstream(&reactor, &peer.address, Options::default());
        for streams in [false, true] {
            let (_sender, body) = pieces();
            let body = if streams { body } else { Body::full("x") };
            let calling = reactor.spawn(upstream.clone().forward(request("Hang", body)));
            let calls = usize::from(streams) + 1;
            wait_for(&reactor, || peer.seen.calls.load(Ordering::Relaxed) == calls).await;
            drop(calling);
            assert_eq!(peer.resets.next().await, Some(Reason::CANCEL));
        }
        assert_serves(&upstream).await;
    });
}

#[test]
fn a_client_that_leaves_amid_the_answer_resets_the_stream() {
    run(|reactor| async move {
        let mut peer = Peer::start(&reactor);
        let upstream = upstream(&reactor, &peer.address, Options::default());
        for streams in [false, true] {
            let (_sender, body) = pieces();
            let body = if streams { body } else { Body::full("x") };
            let mut answer = upstream.clone().forward(request("Flood", body)).await.into_body();
            answer.frame().await.unwrap().unwrap();
            drop(answer);
            assert_eq!(peer.resets.next().await, Some(Reason::CANCEL));
        }
        assert_serves(&upstream).await;
    });
}

#[test]
fn a_request_that_breaks_off_resets_the_stream() {
    run(|reactor| async move {
        let mut peer = Peer::start(&reactor);
        let upstream = upstream(&reactor, &peer.address, Options::default());
        let (sender, body) = pieces();
        let calling = reactor.spawn(upstream.clone().forward(request("Hang", body)));
        wait_for(&reactor, || peer.seen.calls.load(Ordering::Relaxed) == 1).await;
        let status = narthex_wire::Status::invalid_argument("no JSON");
        sender.unbounded_send(Err(status.into())).unwrap();
        Answer::of(calling.await).await.assert_fails(Code::InvalidArgument, "no JSON");
        assert_eq!(peer.resets.next().await, Some(Reason::CANCEL));
    });
}

#[test]
fn a_client_that_reads_slowly_holds_the_upstream_back_and_nobody_else() {
    run(|reactor| async move {
        let peer = Peer::start(&reactor);
        let upstream = upstream(&reactor, &peer.address, Options::default());
        let mut answers = Vec::new();
        for _ in 0..20 {
            answers.push(upstream.clone().forward(request("Flood", "x")).await.into_body());
        }
        let flooded = || peer.seen.flooded.load(Ordering::Relaxed);
        let windows = 20 * 512 * 1024;
        wait_for(&reactor, || flooded() == windows).await;
        // Others have room, though 10 MiB wait for these clients.
        assert_serves(&upstream).await;
        assert_eq!(flooded(), windows, "no more than the windows was sent");
        let mut read = 0;
        while read < 512 * 1024 {
            read += answers[0].frame().await.unwrap().unwrap().into_data().unwrap().len();
        }
        wait_for(&reactor, || flooded() > windows).await;
    });
}

#[test]
fn an_upstream_that_reads_slowly_holds_the_client_back() {
    run(|reactor| async move {
        let mut http2 = h2::server::Builder::new();
        // One stream's window does not fill the connection's, so that other calls have room.
        http2.initial_connection_window_size(1024 * 1024);
        let peer = Peer::with(&reactor, http2);
        let upstream = upstream(&reactor, &peer.address, Options::default());
        let (sender, body) = pieces();
        for _ in 0..100 {
            sender.unbounded_send(Ok(vec![0; 16_384].into())).unwrap();
        }
        // It never reads, so that its window is all there is.
        let _calling = reactor.spawn(upstream.clone().forward(request("Hang", body)));
        wait_for(&reactor, || sender.len() < 100).await;
        // Whatever could go on has done so when others have gone to the upstream and back.
        assert_serves(&upstream).await;
        assert!(sender.len() > 90, "{} of 100 pieces are still the client's", sender.len());
    });
}

/// Waits until the reactor's other tasks have come so far.
pub(crate) async fn wait_for(reactor: &narthex_reactor::Reactor, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !is_so() {
        assert!(Instant::now() < end, "it never came so far");
        let mut sleep = reactor.sleep(Duration::from_millis(1));
        poll_fn(|cx| Pin::new(&mut sleep).poll(cx)).await;
    }
}
