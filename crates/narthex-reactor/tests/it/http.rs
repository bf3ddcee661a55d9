//! hyper's HTTP/1 and HTTP/2 on the reactor, server and client.

use std::convert::Infallible;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use narthex_reactor::net::Stream;
use narthex_reactor::{Reactor, ReactorExecutor, ReactorTimer};

use crate::outer::Outer;

/// How long a server waits for a head: longer than any test.
const HEAD: Duration = Duration::from_secs(20);

/// Answers with the body of the request.
async fn serve(reactor: Reactor, listener: narthex_reactor::net::Listener, h2: bool, head: Duration) {
    let echo = service_fn(|request: Request<Incoming>| async move {
        let body = request.into_body().collect().await.map(http_body_util::Collected::to_bytes);
        Ok::<_, Infallible>(Response::new(Full::new(body.unwrap_or_default())))
    });
    loop {
        let stream = listener.accept().await.unwrap();
        let timer = ReactorTimer::new(&reactor);
        if h2 {
            let mut http = hyper::server::conn::http2::Builder::new(ReactorExecutor::new(&reactor));
            http.timer(timer).keep_alive_interval(Some(Duration::from_secs(20)));
            reactor.spawn(http.serve_connection(stream, echo)).detach();
        } else {
            let mut http = hyper::server::conn::http1::Builder::new();
            http.timer(timer).header_read_timeout(head);
            reactor.spawn(http.serve_connection(stream, echo)).detach();
        }
    }
}

fn server(outer: &Outer, h2: bool, head: Duration) -> SocketAddr {
    let (listener, address) = crate::sockets::tcp(&outer.reactor);
    outer.reactor.spawn(serve(outer.reactor.clone(), listener, h2, head)).detach();
    address
}

fn bodies() -> impl Iterator<Item = Bytes> + Clone {
    [0, 1, 100, 20_000, 300_000].into_iter().map(|size| Bytes::from(vec![b'x'; size]))
}

#[test]
fn http1_with_bodies_of_all_sizes_on_one_connection() {
    let outer = Outer::new();
    let address = server(&outer, false, HEAD);
    let reactor = outer.reactor.clone();
    outer.block_on(async move {
        let stream = Stream::connect_tcp(&reactor, address).await.unwrap();
        let (mut client, connection) = hyper::client::conn::http1::handshake(stream).await.unwrap();
        reactor.spawn(connection).detach();
        for body in bodies() {
            let request = Request::post("/").body(Full::new(body.clone())).unwrap();
            let response = client.send_request(request).await.unwrap();
            assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), body);
        }
    });
    outer.reactor.close();
    outer.settle();
}

#[test]
fn http2_with_many_streams_at_once() {
    let outer = Outer::new();
    let address = server(&outer, true, HEAD);
    let reactor = outer.reactor.clone();
    let answered = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&answered);
    outer.block_on(async move {
        let stream = Stream::connect_tcp(&reactor, address).await.unwrap();
        let executor = ReactorExecutor::new(&reactor);
        let (client, connection) = hyper::client::conn::http2::handshake(executor, stream).await.unwrap();
        reactor.spawn(connection).detach();
        let mut exchanges = Vec::new();
        for body in bodies().cycle().take(50) {
            let (mut client, count) = (client.clone(), Arc::clone(&count));
            exchanges.push(reactor.spawn(async move {
                let request = Request::post("http://localhost/").body(Full::new(body.clone())).unwrap();
                let response = client.send_request(request).await.unwrap();
                assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), body);
                count.fetch_add(1, Ordering::SeqCst);
            }));
        }
        for exchange in exchanges {
            exchange.await;
        }
    });
    assert_eq!(answered.load(Ordering::SeqCst), 50);
    outer.reactor.close();
    outer.settle();
}

#[test]
fn pipelined_requests_of_an_ordinary_client() {
    let outer = Outer::new();
    let address = server(&outer, false, HEAD);
    let client = std::thread::spawn(move || {
        let mut client = TcpStream::connect(address).unwrap();
        let one = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nhi";
        let mut last =
            b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\nconnection: close\r\n\r\nbye".to_vec();
        let mut requests = one.repeat(20);
        requests.append(&mut last);
        client.write_all(&requests).unwrap();
        let mut all = String::new();
        client.read_to_string(&mut all).unwrap();
        all
    });
    let all = outer.join(client);
    assert_eq!(all.matches("HTTP/1.1 200 OK").count(), 21);
    assert!(all.ends_with("\r\n\r\nbye"), "{all}");
}

#[test]
fn a_client_that_never_finishes_its_head_is_cut_off_by_the_timer() {
    let outer = Outer::new();
    let address = server(&outer, false, Duration::from_millis(50));
    let start = Instant::now();
    let client = std::thread::spawn(move || {
        let mut client = TcpStream::connect(address).unwrap();
        client.write_all(b"GET / HTTP/1.1\r\nhos").unwrap();
        let mut all = Vec::new();
        let _ = client.read_to_end(&mut all);
    });
    outer.join(client);
    assert!(start.elapsed() >= Duration::from_millis(50));
}
