//! A gRPC server on the test's own reactor. What a method does is what its name says.

use std::fmt::Write as _;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures_channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use h2::server::{Builder, SendResponse};
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, Request, Response};
use narthex_reactor::Reactor;
use narthex_reactor::net::{Addr, Listener, Stream, TcpOptions};

pub(crate) struct Peer {
    pub(crate) address: String,
    pub(crate) seen: Arc<Seen>,
    /// Why streams were reset by the other side.
    pub(crate) resets: UnboundedReceiver<Reason>,
}

#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) connections: AtomicUsize,
    pub(crate) calls: AtomicUsize,
    /// Bytes that `Flood` had room for.
    pub(crate) flooded: AtomicUsize,
    resets: UnboundedSender<Reason>,
}

impl Peer {
    pub(crate) fn start(reactor: &Reactor) -> Self {
        Self::with(reactor, Builder::new())
    }

    pub(crate) fn with(reactor: &Reactor, http2: Builder) -> Self {
        Self::on(
            reactor,
            Listener::bind_tcp("127.0.0.1:0".parse().unwrap(), TcpOptions::default()).unwrap(),
            http2,
        )
    }

    pub(crate) fn on(reactor: &Reactor, mut listener: Listener, http2: Builder) -> Self {
        listener.listen(reactor, 16).unwrap();
        let address = match listener.local_addr() {
            Addr::Tcp(address) => format!("http://{address}"),
            unix @ Addr::Unix(_) => unix.to_string(),
        };
        let (told, resets) = unbounded();
        let seen = Arc::new(Seen {
            connections: AtomicUsize::default(),
            calls: AtomicUsize::default(),
            flooded: AtomicUsize::default(),
            resets: told,
        });
        reactor.spawn(accept(reactor.clone(), listener, http2, Arc::clone(&seen))).detach();
        Self { address, seen, resets }
    }
}

async fn accept(reactor: Reactor, listener: Listener, http2: Builder, seen: Arc<Seen>) {
    while let Ok(stream) = listener.accept().await {
        seen.connections.fetch_add(1, Ordering::Relaxed);
        reactor.spawn(serve(reactor.clone(), stream, http2.clone(), Arc::clone(&seen))).detach();
    }
}

async fn serve(reactor: Reactor, stream: Stream, http2: Builder, seen: Arc<Seen>) {
    let Ok(mut connection) = http2.handshake::<_, Bytes>(stream).await else { return };
    while let Some(Ok((request, respond))) = connection.accept().await {
        let number = seen.calls.fetch_add(1, Ordering::Relaxed);
        let method = request.uri().path().trim_start_matches("/t.T/").to_owned();
        if method == "GoAway" {
            connection.graceful_shutdown();
        }
        let seen = Arc::clone(&seen);
        reactor
            .spawn(async move {
                // What a peer that has left gets is nobody's business.
                let _ = answer(&method, number, request, respond, &seen).await;
            })
            .detach();
    }
}

async fn answer(
    method: &str,
    number: usize,
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    seen: &Seen,
) -> Result<(), h2::Error> {
    match method {
        "Head" => {
            let uri = request.uri();
            let mut text =
                format!(":authority: {}\n:scheme: {}\n", uri.authority().unwrap(), uri.scheme_str().unwrap());
            for (name, value) in request.headers() {
                writeln!(text, "{name}: {}", value.to_str().unwrap()).unwrap();
            }
            let mut send = respond.send_response(head(), false)?;
            send.send_data(text.into(), false)?;
            send.send_trailers(trailers())
        }
        "TrailersOnly" => {
            let mut head = head();
            head.headers_mut().insert("grpc-status", "5".parse().unwrap());
            head.headers_mut().insert("grpc-message", "no%20such%20book".parse().unwrap());
            respond.send_response(head, true).map(drop)
        }
        "Unimplemented" => {
            let mut head = head();
            head.headers_mut().insert("grpc-status", "12".parse().unwrap());
            respond.send_response(head, true).map(drop)
        }
        "UnimplementedAtLast" => {
            let mut send = respond.send_response(head(), false)?;
            send.send_data(Bytes::from_static(&[0; 5]), false)?;
            let mut trailers = trailers();
            trailers.insert("grpc-status", "12".parse().unwrap());
            send.send_trailers(trailers)
        }
        "Html" => {
            let head = Response::builder().status(502).header("content-type", "text/html").body(()).unwrap();
            respond.send_response(head, false)?.send_data("<p>".into(), true)
        }
        "Reset" => {
            respond.send_reset(Reason::ENHANCE_YOUR_CALM);
            Ok(())
        }
        "Refuse" if number == 0 => {
            respond.send_reset(Reason::REFUSED_STREAM);
            Ok(())
        }
        "Hang" => {
            // Whether it is reset before its answer or behind the head of it is no difference.
            let reason = poll_fn(|cx| respond.poll_reset(cx)).await?;
            let _ = seen.resets.unbounded_send(reason);
            Ok(())
        }
        "Flood" => {
            let mut send = respond.send_response(head(), false)?;
            let reason = flood(&mut send, seen).await?;
            let _ = seen.resets.unbounded_send(reason);
            Ok(())
        }
        _ => echo(request.into_body(), respond).await,
    }
}

/// Sends until it is reset.
async fn flood(send: &mut SendStream<Bytes>, seen: &Seen) -> Result<Reason, h2::Error> {
    loop {
        send.reserve_capacity(16_384);
        let room = poll_fn(|cx| match send.poll_reset(cx) {
            std::task::Poll::Ready(reason) => std::task::Poll::Ready(Err(reason)),
            std::task::Poll::Pending => send.poll_capacity(cx).map(Ok),
        })
        .await;
        match room {
            Err(reason) => return reason,
            Ok(Some(Ok(room))) => {
                seen.flooded.fetch_add(room, Ordering::Relaxed);
                send.send_data(vec![0; room].into(), false)?;
            }
            Ok(_) => {}
        }
    }
}

/// Sends back what comes, as it comes.
async fn echo(mut body: RecvStream, mut respond: SendResponse<Bytes>) -> Result<(), h2::Error> {
    let mut send = respond.send_response(head(), false)?;
    while let Some(data) = body.data().await {
        let data = data?;
        body.flow_control().release_capacity(data.len())?;
        send.send_data(data, false)?;
    }
    send.send_trailers(trailers())
}

fn head() -> Response<()> {
    Response::builder().header("content-type", "application/grpc").header("x-first", "one").body(()).unwrap()
}

fn trailers() -> HeaderMap {
    [("grpc-status", "0"), ("x-last", "two")]
        .into_iter()
        .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
        .collect()
}
