//! `send(message)`: what the application answers.

use std::sync::Arc;
use std::task::{Poll, Wake, Waker};

use bytes::Bytes;
use http::{Method, StatusCode};
use narthex_pyrt::{Wait, Waiter};
use narthex_wire::Body;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

use crate::error::disconnected;
use crate::exchange::{Exchange, HIGH_WATER, Inbound, LOW_WATER, Outbound, PIECE_COST, State};
use crate::message::{Head, Outgoing};

/// What each discarded piece counts for at least.
const DISCARDED_AT_LEAST: usize = 1024;

/// Whether the application may go on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    Done,
    /// The connection has enough for now.
    Wait,
}

/// Takes one message.
///
/// # Errors
///
/// What `send` raises: `OSError` once the exchange is over, `RuntimeError` for a message out of order.
pub(crate) fn send(exchange: &Arc<Exchange>, method: &Method, message: Outgoing) -> PyResult<Sent> {
    let mut state = exchange.lock();
    if state.held {
        return Ok(Sent::Wait);
    }
    if state.is_over() {
        return Err(disconnected());
    }
    let sent = match message {
        Outgoing::Start(head) => start(&mut state, head),
        Outgoing::Body { data, more } => body(&mut state, method, data, more),
    }?;
    let receivers = if state.is_over() || state.delivered { state.receivers.clone() } else { None };
    let has_news = state.ready.is_some() || !state.chunks.is_empty() || state.is_over();
    let outlet = if has_news { state.outlet.take() } else { None };
    // What of the request was not read by now will never be; the connection decides what to do with it.
    let unread = state.is_over().then(|| std::mem::replace(&mut state.request, Inbound::Ended));
    drop(state);
    drop(unread);
    outlet.into_iter().for_each(Waker::wake);
    receivers.into_iter().for_each(Wake::wake);
    Ok(sent)
}

fn start(state: &mut State, head: Head) -> PyResult<Sent> {
    if !matches!(state.response, Outbound::Unstarted) {
        return Err(PyRuntimeError::new_err("http.response.start was sent already"));
    }
    state.response = Outbound::Started(head);
    Ok(Sent::Done)
}

fn body(state: &mut State, method: &Method, data: Bytes, more: bool) -> PyResult<Sent> {
    match std::mem::replace(&mut state.response, Outbound::Complete) {
        Outbound::Unstarted => {
            state.response = Outbound::Unstarted;
            Err(PyRuntimeError::new_err("http.response.body was sent before http.response.start"))
        }
        Outbound::Started(head) => first_piece(state, method, head, data, more),
        Outbound::Streaming { remaining, discard } => next_piece(state, remaining, discard, data, more),
        over @ (Outbound::Complete | Outbound::Aborted) => {
            state.response = over;
            Err(disconnected())
        }
    }
}

/// The head goes out with the first piece of the body.
fn first_piece(state: &mut State, method: &Method, head: Head, data: Bytes, more: bool) -> PyResult<Sent> {
    // RFC 9110 9.3.2, 15.3.5, 15.3.6, 15.4.5: these have no body, whatever the application sends.
    let discard = method == Method::HEAD
        || matches!(
            head.status,
            StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::NOT_MODIFIED
        );
    if discard {
        state.respond(head, Some(Body::empty()));
        state.delivered = more;
        return next_piece(state, None, discard, data, more);
    }
    let remaining = head.content_length;
    if let Err(error) = check_length(remaining, data.len(), !more) {
        state.response = Outbound::Started(head);
        return Err(error);
    }
    if !more {
        state.respond(head, Some(Body::full(data)));
        return Ok(Sent::Done);
    }
    state.respond(head, None);
    next_piece(state, remaining, discard, data, more)
}

fn next_piece(
    state: &mut State,
    remaining: Option<u64>,
    discard: bool,
    data: Bytes,
    more: bool,
) -> PyResult<Sent> {
    if !discard {
        if let Err(error) = check_length(remaining, data.len(), !more) {
            state.response = Outbound::Streaming { remaining, discard };
            return Err(error);
        }
        let remaining = remaining.map(|remaining| remaining - data.len() as u64);
        state.response = if more { Outbound::Streaming { remaining, discard } } else { Outbound::Complete };
        if !data.is_empty() {
            state.buffered += data.len() + PIECE_COST;
            state.chunks.push_back(data);
        }
        return Ok(if more && state.buffered > HIGH_WATER { Sent::Wait } else { Sent::Done });
    }
    state.response = if more { Outbound::Streaming { remaining, discard } } else { Outbound::Complete };
    // Nobody takes this. A response of usual size is let through, so that the application notices nothing; one without end
    // would never end otherwise. Small pieces count as larger ones, for the sake of a trickle of them.
    state.buffered += data.len().max(DISCARDED_AT_LEAST);
    if more && state.buffered > HIGH_WATER {
        state.client_gone = true;
        return Err(disconnected());
    }
    Ok(Sent::Done)
}

/// A body that belies its content-length would corrupt the connection.
fn check_length(remaining: Option<u64>, length: usize, last: bool) -> PyResult<()> {
    match remaining {
        Some(remaining) if length as u64 > remaining => {
            Err(PyRuntimeError::new_err("the response's body is longer than its content-length"))
        }
        Some(remaining) if last && (length as u64) < remaining => {
            Err(PyRuntimeError::new_err("the response's body is shorter than its content-length"))
        }
        _ => Ok(()),
    }
}

/// The wait of a `send` until the connection has taken enough.
pub(crate) struct Drained {
    pub(crate) exchange: Arc<Exchange>,
}

impl Wait for Drained {
    fn poll(&self, py: Python<'_>, waiter: Option<&Arc<Waiter>>) -> Option<PyResult<Py<PyAny>>> {
        let mut state = self.exchange.lock();
        if let Some(room) = room(&state) {
            return Some(room.map(|()| py.None()));
        }
        if let Some(waiter) = waiter {
            state.senders.add(waiter);
        }
        None
    }
}

/// The same wait of an application on a lane.
pub(crate) fn poll_room(exchange: &Exchange, waker: &Waker) -> Poll<PyResult<()>> {
    let mut state = exchange.lock();
    if let Some(room) = room(&state) {
        return Poll::Ready(room);
    }
    state.senders.add_lane(waker);
    Poll::Pending
}

/// Whether the application may go on; `None` if it has to wait.
fn room(state: &State) -> Option<PyResult<()>> {
    if state.held {
        return None;
    }
    if state.client_gone {
        return Some(Err(disconnected()));
    }
    (state.buffered <= LOW_WATER || state.is_over()).then_some(Ok(()))
}
