//! One HTTP/2 connection: how many calls it carries, and whether it is still there.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use h2::client::{self, ResponseFuture, SendRequest};
use h2::{Ping, PingPong, SendStream};
use http::Request;
use narthex_reactor::Sleep;

use crate::address::Address;
use crate::dial::{DialError, Dialer, Io};
use crate::options::Options;

/// What an answer may have waiting for its client.
const STREAM_WINDOW: u32 = 512 * 1024;
/// As many calls share a connection at most, however many the upstream would take: all their windows fit into the
/// connection's, so that clients that read slowly never hold up others.
const MAX_STREAMS: usize = 128;
const CONNECTION_WINDOW: u32 = STREAM_WINDOW * 128;
/// The limit of an answer's head, as the edge has it for requests.
const MAX_HEAD: u32 = 64 * 1024;

type Http2 = client::Connection<Box<dyn Io>, Bytes>;

/// A connection that calls are sent by.
pub(crate) struct Connection {
    sender: SendRequest<Bytes>,
    load: Arc<Load>,
    made: Instant,
}

/// What a connection and its driver share.
#[derive(Debug, Default)]
struct Load {
    in_flight: AtomicUsize,
    /// It has answered a call.
    proven: AtomicBool,
    /// It takes no more calls.
    ended: AtomicBool,
}

impl Connection {
    /// Speaks HTTP/2 until the upstream has answered, which it does after its SETTINGS: from then on it is known to speak
    /// HTTP/2, and how many calls it takes.
    pub(crate) async fn establish(io: Box<dyn Io>, dialer: &Dialer) -> Result<Self, DialError> {
        let (sender, mut connection) = client::Builder::new()
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(MAX_HEAD)
            .enable_push(false)
            .handshake::<_, Bytes>(io)
            .await
            .map_err(DialError::Http2)?;
        let mut pings = connection.ping_pong().expect("nobody else has asked for it");
        pings.send_ping(Ping::opaque()).map_err(DialError::Http2)?;
        poll_fn(|cx| match Pin::new(&mut connection).poll(cx) {
            Poll::Ready(Ok(())) => Poll::Ready(Err(DialError::Closed)),
            Poll::Ready(Err(error)) => Poll::Ready(Err(DialError::Http2(error))),
            Poll::Pending => pings.poll_pong(cx).map(|pong| pong.map(drop).map_err(DialError::Http2)),
        })
        .await?;
        if sender.current_max_send_streams() == 0 {
            return Err(DialError::NoStreams);
        }
        let load = Arc::new(Load::default());
        let watch = Watch::new(pings, Arc::clone(&load), dialer);
        dialer.reactor.spawn(drive(connection, watch, dialer.address.clone())).detach();
        Ok(Self { sender, load, made: Instant::now() })
    }

    /// When it was made, if it has not answered a call.
    pub(crate) fn unproven_since(&self) -> Option<Instant> {
        (!self.load.proven.load(Ordering::Acquire)).then_some(self.made)
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.load.ended.load(Ordering::Acquire)
    }

    /// Room for a call, if there is any. Only one thread at a time may ask.
    pub(crate) fn slot(self: &Arc<Self>) -> Option<Slot> {
        let most = self.sender.current_max_send_streams().min(MAX_STREAMS);
        if self.load.in_flight.load(Ordering::Acquire) >= most {
            return None;
        }
        self.load.in_flight.fetch_add(1, Ordering::AcqRel);
        Some(Slot(Arc::clone(self)))
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("load", &self.load).finish_non_exhaustive()
    }
}

/// A call's place on a connection, until it is dropped.
#[derive(Debug)]
pub(crate) struct Slot(Arc<Connection>);

impl Slot {
    /// Begins a stream; `None` if the connection takes no more calls, as after a GOAWAY.
    pub(crate) fn open(
        &self,
        head: Request<()>,
        is_whole: bool,
    ) -> Option<Result<(ResponseFuture, SendStream<Bytes>), h2::Error>> {
        // A handle of its own is always ready, unless the connection has ended.
        let mut sender = self.0.sender.clone();
        match sender.poll_ready(&mut Context::from_waker(std::task::Waker::noop())) {
            Poll::Ready(Err(_)) => {
                self.0.load.ended.store(true, Ordering::Release);
                None
            }
            Poll::Ready(Ok(())) | Poll::Pending => Some(sender.send_request(head, is_whole)),
        }
    }

    /// The call on it was answered; whether it is the first one of its connection.
    pub(crate) fn prove(&self) -> bool {
        let proven = &self.0.load.proven;
        !proven.load(Ordering::Acquire) && !proven.swap(true, Ordering::AcqRel)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.load.in_flight.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Reads and writes until the connection is over. What was in flight then has failed.
async fn drive(mut connection: Http2, mut watch: Watch, address: Address) {
    let end = poll_fn(|cx| match Pin::new(&mut connection).poll(cx) {
        Poll::Ready(ended) => Poll::Ready(End::Ended(ended)),
        Poll::Pending => watch.poll(cx).map(|()| End::Silent),
    })
    .await;
    watch.load.ended.store(true, Ordering::Release);
    match end {
        End::Ended(Ok(())) => tracing::debug!("the connection to the upstream {address} has ended"),
        End::Ended(Err(error)) => {
            tracing::warn!("the connection to the upstream {address} is lost: {error}");
        }
        End::Silent => {
            tracing::warn!("the upstream {address} does not answer pings: its connection is given up");
        }
    }
}

enum End {
    Ended(Result<(), h2::Error>),
    Silent,
}

/// Asks the upstream now and then whether it is still there, while it has calls.
struct Watch {
    load: Arc<Load>,
    pings: PingPong,
    options: Options,
    /// None where nobody asks.
    sleep: Option<Sleep>,
    /// An answer is waited for.
    asked: bool,
}

impl Watch {
    fn new(pings: PingPong, load: Arc<Load>, dialer: &Dialer) -> Self {
        let options = dialer.options.clone();
        let sleep = options.ping_interval.map(|interval| dialer.reactor.sleep(interval));
        Self { load, pings, options, sleep, asked: false }
    }

    /// Ready if there was no answer in time. What h2 itself finds out ends the connection.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let (Some(sleep), Some(interval)) = (&mut self.sleep, self.options.ping_interval) else {
            return Poll::Pending;
        };
        loop {
            if self.asked && self.pings.poll_pong(cx).is_ready() {
                self.asked = false;
                sleep.reset(Instant::now() + interval);
            }
            if Pin::new(&mut *sleep).poll(cx).is_pending() {
                return Poll::Pending;
            }
            if self.asked {
                return Poll::Ready(());
            }
            let has_calls = self.load.in_flight.load(Ordering::Acquire) > 0;
            self.asked = has_calls && self.pings.send_ping(Ping::opaque()).is_ok();
            let wait = if self.asked { self.options.ping_timeout } else { interval };
            sleep.reset(Instant::now() + wait);
        }
    }
}
