//! One connection, from its first byte to its last: which protocol it speaks, and when it ends.
//!
//! hyper speaks HTTP. What it leaves out is here: the choice between HTTP/1 and HTTP/2 with prior knowledge, timeouts of
//! idle connections and slow heads, answers to those, and an end that the client gets to read.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{Request, Response};
use hyper::server::conn::{http1, http2};
use narthex_reactor::net::Stream;
use narthex_reactor::{Reactor, ReactorExecutor};
use narthex_wire::{Body, Connection};
use tower_service::Service;

use crate::drain::{Presence, Stage};
use crate::exchange::Exchanges;
use crate::io::Io;
use crate::state::{Common, State};
use crate::tls::{self, Failure, Secured, Tls, Transport};
use crate::watch::{Event, Phase, Watch};

/// What an HTTP/2 client says first (RFC 9113 3.4).
pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// What is read to tell the protocols apart, with as much of a first request as fits.
const FIRST_READ: usize = 2048;
/// How long a client that still sends is listened to after our last byte, and at most how long in all.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_MAX: Duration = Duration::from_secs(5);

const NOT_TLS: &[u8] =
    b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-type: text/plain; charset=utf-8\r\n\
content-length: 44\r\n\r\nThis port speaks TLS: use https in the URL.\n";
const TIMEOUT: &[u8] = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// How connections are served; one for a server.
#[derive(Clone, Debug)]
pub(crate) struct Protocols {
    pub(crate) common: Arc<Common>,
    pub(crate) http1: http1::Builder,
    pub(crate) http2: http2::Builder<ReactorExecutor>,
}

/// Shakes hands, then serves the connection until it ends.
pub(crate) async fn secure<S>(
    stream: Stream,
    tls: Tls,
    mut connection: Connection,
    service: S,
    protocols: Protocols,
    mut presence: Presence,
) where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    let common = &protocols.common;
    // Boxed, so that it takes no room once it is over.
    let time = common.config.handshake_timeout;
    let mut handshake = Box::pin(common.reactor.within(time, tls::handshake(stream, &tls)));
    let shaken = poll_fn(|cx| match presence.stage(cx) {
        Stage::Serving => handshake.as_mut().poll(cx),
        _ => Poll::Ready(None),
    })
    .await;
    drop(handshake);
    match shaken {
        Some(Ok(Secured { transport, security, http2 })) => {
            connection.security = Some(Arc::new(security));
            serve(transport, connection, http2, service, protocols, presence).await;
        }
        Some(Err(Failure::NotTls(stream))) => {
            let mut transport = Transport::Plain(Arc::new(stream));
            let answered = poll_fn(|cx| Poll::Ready(transport.poll_write(cx, NOT_TLS))).await;
            if answered.is_ready() {
                linger(&mut transport, &common.reactor, &mut presence).await;
            }
        }
        Some(Err(Failure::Refused(error))) => tracing::debug!("{}: no TLS: {error}", connection.peer),
        None => tracing::debug!("{}: no TLS in time", connection.peer),
    }
}

/// Serves a connection until it ends; by HTTP/2 or not where that is settled already.
pub(crate) async fn serve<S>(
    mut transport: Transport,
    connection: Connection,
    http2: Option<bool>,
    service: S,
    protocols: Protocols,
    mut presence: Presence,
) where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    let (first, http2) = match http2 {
        Some(true) => (Bytes::new(), true),
        _ => match detect(&mut transport, &protocols.common, &mut presence).await {
            Some(detected) => detected,
            None => return,
        },
    };
    let common = Arc::clone(&protocols.common);
    let believed = common.config.trusted.endpoint(&connection.peer);
    let state = State::new(common, Arc::new(connection), believed, http2);
    let socket = transport.socket();
    let io = Io::new(transport, first, Arc::clone(&state));
    let service = Exchanges::new(service, Arc::clone(&state));
    let watch = Watch::new(state, presence);
    if http2 {
        serve_http2(protocols.http2.serve_connection(io, service), watch, socket).await;
    } else {
        serve_http1(protocols.http1.serve_connection(io, service), watch).await;
    }
}

/// Reads until it is clear which protocol the client speaks; true for HTTP/2. None if it leaves, says nothing in time, or
/// we are stopping.
async fn detect(
    transport: &mut Transport,
    common: &Common,
    presence: &mut Presence,
) -> Option<(Bytes, bool)> {
    let mut first = BytesMut::new();
    let mut sleep = common.reactor.sleep(common.config.header_timeout);
    loop {
        let held = first.len();
        first.resize(held + FIRST_READ, 0);
        let read = {
            let mut reading = pin!(transport.read(&mut first[held..]));
            poll_fn(|cx| {
                let stage = presence.stage(cx);
                if stage == Stage::Aborted {
                    return Poll::Ready(0);
                }
                match reading.as_mut().poll(cx) {
                    Poll::Ready(read) => Poll::Ready(read.unwrap_or(0)),
                    Poll::Pending if stage == Stage::Draining => Poll::Ready(0),
                    Poll::Pending => Pin::new(&mut sleep).poll(cx).map(|()| 0),
                }
            })
            .await
        };
        if read == 0 {
            return None;
        }
        first.truncate(held + read);
        let said = first.len().min(PREFACE.len());
        if first[..said] != PREFACE[..said] {
            return Some((first.freeze(), false));
        }
        if said == PREFACE.len() {
            return Some((first.freeze(), true));
        }
    }
}

async fn serve_http1<S>(mut conn: http1::Connection<Io, Exchanges<S>>, mut watch: Watch)
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    let end = poll_fn(|cx| {
        loop {
            if let Poll::Ready(result) = Pin::new(&mut conn).poll(cx) {
                return Poll::Ready(Ok(result));
            }
            match watch.poll(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Event::Drain) => Pin::new(&mut conn).graceful_shutdown(),
                Poll::Ready(event) => return Poll::Ready(Err(event)),
            }
        }
    })
    .await;
    // What is in flight ends here, before the client is listened to any longer.
    let mut io = conn.into_parts().io;
    if let Ok(Err(error)) = &end {
        tracing::debug!("{}: {error}", watch.state().connection.peer);
    }
    match end {
        _ if watch.state().is_open_ended() => {}
        Ok(Ok(())) if watch.state().is_unread() => watch.linger(io.transport()).await,
        Ok(Err(error)) if error.is_parse() || watch.state().is_unread() => {
            watch.linger(io.transport()).await;
        }
        Err(Event::Expired(Phase::Head)) => {
            // All that was written before has been taken, so there is room for this.
            let answered = poll_fn(|cx| Poll::Ready(io.transport().poll_write(cx, TIMEOUT))).await;
            if answered.is_ready() {
                watch.linger(io.transport()).await;
            }
        }
        _ => {}
    }
}

async fn serve_http2<S>(
    conn: http2::Connection<Io, Exchanges<S>, ReactorExecutor>,
    mut watch: Watch,
    socket: Option<Arc<Stream>>,
) where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    let mut conn = pin!(conn);
    poll_fn(|cx| {
        loop {
            let ended = conn.as_mut().poll(cx);
            // h2 has written all it has, or all there is room for.
            if let Some(socket) = &socket {
                socket.push();
            }
            if let Poll::Ready(result) = ended {
                if let Err(error) = result {
                    tracing::debug!("{}: {error}", watch.state().connection.peer);
                }
                return Poll::Ready(());
            }
            match watch.poll(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Event::Drain | Event::Expired(Phase::Idle)) => {
                    conn.as_mut().graceful_shutdown();
                    watch.close();
                }
                Poll::Ready(_) => return Poll::Ready(()),
            }
        }
    })
    .await;
}

/// Ends our half and reads on for a moment.
///
/// A socket closed with bytes unread resets the connection, and the reset may overtake our answer (RFC 9112 9.6).
pub(crate) async fn linger(transport: &mut Transport, reactor: &Reactor, presence: &mut Presence) {
    let mut whole = reactor.sleep(LINGER_MAX);
    let mut waste = vec![0; 16 * 1024];
    let shut = poll_fn(|cx| {
        if presence.stage(cx) == Stage::Aborted || Pin::new(&mut whole).poll(cx).is_ready() {
            return Poll::Ready(false);
        }
        transport.poll_shutdown(cx).map(|shut| shut.is_ok())
    });
    if !shut.await {
        return;
    }
    loop {
        let mut pause = reactor.sleep(LINGER);
        let mut reading = pin!(transport.read(&mut waste));
        let read = poll_fn(|cx| {
            if presence.stage(cx) == Stage::Aborted
                || Pin::new(&mut whole).poll(cx).is_ready()
                || Pin::new(&mut pause).poll(cx).is_ready()
            {
                return Poll::Ready(0);
            }
            reading.as_mut().poll(cx).map(|read| read.unwrap_or(0))
        })
        .await;
        if read == 0 {
            return;
        }
    }
}
