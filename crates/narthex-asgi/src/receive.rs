//! `receive()`: the request's body, read from the connection when the application asks for it, then `http.disconnect`.
//!
//! The connection's own flow control is the back-pressure: what is not asked for stays with the peer. It is also what sends
//! `100 Continue` when, and only when, the application wants the body.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::{Bytes, BytesMut};
use http::StatusCode;
use http_body::Body as _;
use narthex_pyrt::{Wait, Waiter};
use pyo3::prelude::*;

use crate::exchange::{Exchange, Inbound, State};
use crate::message;

/// About how much body one `http.request` message carries at most.
pub(crate) const PIECE: usize = 64 * 1024;

/// What `receive` can say now.
pub(crate) enum Received {
    Request { data: Bytes, more: bool },
    Disconnect,
    Nothing,
}

/// The answer to a request that cannot be received whole.
pub(crate) struct Refused(pub(crate) StatusCode, pub(crate) &'static str);

impl Refused {
    /// RFC 9110 15.5.14 by its present name.
    pub(crate) const TOO_LARGE: Self = Self(StatusCode::PAYLOAD_TOO_LARGE, "Content Too Large");
}

pub(crate) struct Receive {
    pub(crate) exchange: Arc<Exchange>,
    pub(crate) max_body: Option<u64>,
}

impl Wait for Receive {
    fn poll(&self, py: Python<'_>, waiter: Option<&Arc<Waiter>>) -> Option<PyResult<Py<PyAny>>> {
        let mut state = self.exchange.lock();
        if let Some(waiter) = waiter {
            state.receivers.get_or_insert_default().add(waiter);
        }
        let waker = state.receivers.clone().map_or_else(|| Waker::noop().clone(), Waker::from);
        let received = next(&mut state, &waker, self.max_body);
        drop(state);
        match received {
            Ok(Received::Request { data, more }) => Some(message::request(py, &data, more)),
            Ok(Received::Disconnect) => Some(message::disconnect(py)),
            Ok(Received::Nothing) => None,
            Err(Refused(status, text)) => {
                self.exchange.fail(status, text);
                Some(message::disconnect(py))
            }
        }
    }
}

/// What there is for the application; the waker is woken when there may be more.
///
/// # Errors
///
/// What the client gets whose body cannot be received whole.
pub(crate) fn next(state: &mut State, waker: &Waker, max_body: Option<u64>) -> Result<Received, Refused> {
    if state.is_over() || state.delivered {
        return Ok(Received::Disconnect);
    }
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    let mut ended = false;
    if let Inbound::Open { ahead, .. } = &mut state.request {
        for piece in ahead.drain(..) {
            join(&mut first, &mut rest, piece);
        }
    } else {
        return Ok(Received::Nothing);
    }
    while first.len() + rest.len() < PIECE && !ended {
        match read_frame(state, &mut Context::from_waker(waker), max_body)? {
            Poll::Ready(Some(piece)) => join(&mut first, &mut rest, piece),
            Poll::Ready(None) => ended = true,
            Poll::Pending => break,
        }
    }
    ended = ended || !state.request.is_open();
    if ended {
        state.request = Inbound::Ended;
    } else if first.is_empty() && rest.is_empty() {
        return Ok(Received::Nothing);
    }
    let data = if rest.is_empty() { first } else { rest.freeze() };
    Ok(Received::Request { data, more: !ended })
}

/// Collects pieces; one alone is not copied.
fn join(first: &mut Bytes, rest: &mut BytesMut, piece: Bytes) {
    if first.is_empty() && rest.is_empty() {
        *first = piece;
        return;
    }
    if rest.is_empty() {
        rest.extend_from_slice(&std::mem::take(first));
    }
    rest.extend_from_slice(&piece);
}

/// One piece of body data from the connection, never an empty one; `None` at its end.
fn read_frame(
    state: &mut State,
    cx: &mut Context<'_>,
    max_body: Option<u64>,
) -> Result<Poll<Option<Bytes>>, Refused> {
    let Inbound::Open { body, .. } = &mut state.request else { return Ok(Poll::Ready(None)) };
    loop {
        match Pin::new(&mut *body).poll_frame(cx) {
            Poll::Pending => return Ok(Poll::Pending),
            Poll::Ready(None) => return Ok(Poll::Ready(None)),
            Poll::Ready(Some(Ok(frame))) => {
                // Request trailers have no place in ASGI; and empty frames, which flow control does not count, must not pile up.
                let Some(data) = frame.into_data().ok().filter(|data| !data.is_empty()) else { continue };
                state.received += data.len() as u64;
                if max_body.is_some_and(|limit| state.received > limit) {
                    return Err(Refused::TOO_LARGE);
                }
                return Ok(Poll::Ready(Some(data)));
            }
            Poll::Ready(Some(Err(error))) => {
                // Malformed, stalled, or its sender gone: the connection knows which, and puts its own answer in this one's place.
                tracing::debug!("the request's body failed: {error}");
                return Err(Refused(StatusCode::BAD_REQUEST, "Bad Request"));
            }
        }
    }
}

/// How much of a body is there before the application asks for it.
#[derive(Clone, Copy)]
pub(crate) enum Ahead {
    /// All of its bytes, which are fewer than a piece.
    Whole(usize),
    /// A piece, which is as much as is read ahead.
    Piece,
    /// What has come so far.
    Part,
}

impl Ahead {
    /// The body's length, if all of it is there.
    pub(crate) fn whole(self) -> Option<u64> {
        if let Self::Whole(size) = self { Some(size as u64) } else { None }
    }
}

/// Reads what of a body has arrived already, up to one piece, before Python is called: the application's first `receive`
/// then completes at once. Never to be called for a body that the client holds back for `100 Continue`.
pub(crate) fn read_ahead(
    state: &mut State,
    cx: &mut Context<'_>,
    max_body: Option<u64>,
) -> Result<Ahead, Refused> {
    loop {
        let Inbound::Open { ahead, .. } = &state.request else { return Ok(Ahead::Part) };
        let size = ahead.iter().map(Bytes::len).sum();
        if size >= PIECE {
            return Ok(Ahead::Piece);
        }
        if !state.request.is_open() {
            return Ok(Ahead::Whole(size));
        }
        match read_frame(state, cx, max_body)? {
            Poll::Ready(Some(piece)) => {
                if let Inbound::Open { ahead, .. } = &mut state.request {
                    ahead.push_back(piece);
                }
            }
            Poll::Ready(None) => return Ok(Ahead::Whole(size)),
            Poll::Pending => return Ok(Ahead::Part),
        }
    }
}
