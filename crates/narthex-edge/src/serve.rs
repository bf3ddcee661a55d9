//! From bound addresses to connections: listening, accepting, and what to do when descriptors run out.

use std::convert::Infallible;
use std::future::poll_fn;
use std::iter::repeat_n;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use http::{Request, Response};
use hyper::server::conn::{http1, http2};
use narthex_reactor::net::{Stream, is_exhaustion};
use narthex_reactor::{Reactor, ReactorExecutor, ReactorTimer, Sleep};
use narthex_wire::{Body, Connection, Endpoint};
use tower_service::Service;

use crate::config::{Config, HYPERS_MAX_HEADERS};
use crate::conn::{self, Protocols};
use crate::date::Date;
use crate::drain::{Presence, Roll, Serving, Stage};
use crate::listener::{BindError, BindProblem, Bound, Socket, endpoint};
use crate::state::Common;
use crate::tls::Transport;

/// Connections accepted before other tasks get their turn.
const ACCEPTS: usize = 64;
/// The first and the longest pause after a failed accept; it doubles between them.
const PAUSE: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(1);
/// How often the log says that connections cannot be accepted: where some leave and others come, each may be the last that can.
const TOLD_EVERY: Duration = Duration::from_secs(10);

impl Bound {
    /// Listens, and serves every connection with a clone of `service` on this reactor.
    ///
    /// Requests reach it with the extension [`Origin`](narthex_wire::Origin). It is called without being asked whether it is ready.
    ///
    /// # Errors
    ///
    /// Every address that somebody else listens on since it was bound; then none is served.
    pub fn serve<S>(mut self, reactor: &Reactor, service: S, config: Config) -> Result<Serving, BindError>
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
        S::Future: Send,
    {
        let mut problems = Vec::new();
        for socket in &mut self.sockets {
            if let Err(error) = socket.listener.listen(reactor, config.backlog) {
                problems.push(BindProblem::new(&socket.bind, error));
            }
        }
        if !problems.is_empty() {
            return Err(BindError { problems });
        }
        let roll = Roll::new();
        let protocols = protocols(reactor, config, &roll);
        let services = repeat_n(service, self.sockets.len());
        for (socket, service) in self.sockets.into_iter().zip(services) {
            let presence = Presence::listener(&roll);
            let acceptor = Acceptor {
                local: endpoint(socket.listener.local_addr().clone()),
                socket,
                service,
                protocols: protocols.clone(),
                presence,
                pause: None,
                failures: 0,
                told: None,
            };
            reactor.spawn(acceptor.run()).detach();
        }
        Ok(Serving { roll })
    }
}

/// What a client may have sent that nobody has read yet, on all streams of a connection; a stream has hyper's window, 1 MiB.
///
/// h2 ends a connection on which small DATA frames wait for their readers, each of which counts as 256 bytes less what it
/// carries, as soon as they come to half of this. Messages of a few bytes are what many gRPC streams are made of, and
/// handlers may be slower than their clients: 34,000 of them may wait here, and with hyper's own window only 2,100.
const CONNECTION_WINDOW: u32 = 16 << 20;

fn protocols(reactor: &Reactor, config: Config, roll: &Arc<Roll>) -> Protocols {
    let mut http1 = http1::Builder::new();
    // hyper's own timeout does not tell an idle connection from a slow head and says nothing to the client. Its
    // pipeline_flush would buffer without limit for a client that does not read.
    http1.header_read_timeout(None).max_header_size(config.max_header_size);
    if config.max_headers != HYPERS_MAX_HEADERS {
        http1.max_headers(config.max_headers);
    }
    let mut http2 = http2::Builder::new(ReactorExecutor::new(reactor));
    http2
        .auto_date_header(false)
        .timer(ReactorTimer::new(reactor))
        .max_concurrent_streams(config.h2_max_streams)
        .max_header_list_size(u32::try_from(config.max_header_size).unwrap_or(u32::MAX))
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_pending_accept_reset_streams(config.h2_max_pending_resets)
        .max_local_error_reset_streams(config.h2_max_local_resets)
        .keep_alive_interval(config.h2_ping_interval)
        .keep_alive_timeout(config.h2_ping_timeout);
    let roll = Arc::clone(roll);
    let common = Arc::new(Common { config, reactor: reactor.clone(), roll, date: Date::default() });
    Protocols { common, http1, http2 }
}

/// Accepts the connections of one listener.
struct Acceptor<S> {
    local: Endpoint,
    socket: Socket,
    service: S,
    protocols: Protocols,
    presence: Presence,
    /// Until then nothing is accepted.
    pause: Option<Sleep>,
    failures: u32,
    /// When the log was told last.
    told: Option<Instant>,
}

impl<S> Acceptor<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    async fn run(mut self) {
        poll_fn(|cx| self.poll(cx)).await;
        let Self { socket: Socket { listener, file, .. }, presence, .. } = self;
        drop(listener);
        drop(file);
        drop(presence);
    }

    /// Ready when the server stops.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let stage = self.presence.stage(cx);
        if stage == Stage::Aborted {
            return Poll::Ready(());
        }
        if stage == Stage::Serving
            && let Some(pause) = &mut self.pause
            && Pin::new(pause).poll(cx).is_pending()
        {
            return Poll::Pending;
        }
        self.pause = None;
        for _ in 0..ACCEPTS {
            match self.socket.listener.poll_accept(cx) {
                Poll::Ready(Ok(stream)) => self.accepted(stream),
                // Whoever was in the backlog has been accepted above, and is served once.
                _ if stage == Stage::Draining => return Poll::Ready(()),
                Poll::Ready(Err(error)) => {
                    self.failed(&error);
                    // The pause has to be polled for it to wake us.
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Poll::Pending => return Poll::Pending,
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn accepted(&mut self, stream: Stream) {
        self.failures = 0;
        let peer = endpoint(stream.peer_addr().clone());
        let local = match &self.local {
            // The connection's own end is known only to itself.
            Endpoint::Tcp(address) if address.ip().is_unspecified() => {
                stream.local_addr().map_or_else(|_| self.local.clone(), endpoint)
            }
            local => local.clone(),
        };
        let presence = Presence::connection(&self.protocols.common.roll);
        let connection = Connection::plain(peer, local);
        let (service, protocols) = (self.service.clone(), self.protocols.clone());
        let reactor = &self.protocols.common.reactor;
        match &self.socket.tls {
            None => {
                let transport = Transport::Plain(Arc::new(stream));
                reactor
                    .spawn(conn::serve(transport, connection, None, service, protocols, presence))
                    .detach();
            }
            Some(tls) => {
                let tls = tls.clone();
                reactor.spawn(conn::secure(stream, tls, connection, service, protocols, presence)).detach();
            }
        }
    }

    fn failed(&mut self, error: &std::io::Error) {
        let pause = PAUSE.saturating_mul(1 << self.failures.min(8)).min(PAUSE_MAX);
        if self.told.is_none_or(|told| told.elapsed() >= TOLD_EVERY) {
            self.told = Some(Instant::now());
            let hint = if is_exhaustion(error) {
                "; connections wait until some are closed, raise the limit with ulimit -n"
            } else {
                ""
            };
            tracing::error!("{}: accepting connections failed: {error}{hint}", self.local);
        }
        self.failures += 1;
        self.pause = Some(self.protocols.common.reactor.sleep(pause));
    }
}
