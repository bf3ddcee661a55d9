//! The timeouts of a connection and the stages of its server, as one thing to poll after hyper.
//!
//! A timer is not touched for each request: it is set when there is none, and when it runs out too early for what the
//! connection does by then, it is set anew. The bodies of requests have their own timeout (see `body`).

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use narthex_reactor::Sleep;

use crate::conn;
use crate::drain::{Presence, Stage};
use crate::state::State;
use crate::tls::Transport;

/// How long an HTTP/2 connection that was told to end may do nothing before it is ended.
const CLOSING: Duration = Duration::from_secs(2);

/// What a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Waiting for a request.
    Idle,
    /// In the middle of a request's head.
    Head,
    /// A request is being served, or its response still has to be taken by the peer.
    Busy,
}

/// What a connection has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// End when nothing is in flight. Told once.
    Drain,
    /// End now.
    Abort,
    /// It has been in this phase for too long.
    Expired(Phase),
}

/// Watches one connection.
#[derive(Debug)]
pub(crate) struct Watch {
    state: Arc<State>,
    presence: Presence,
    phase: Phase,
    since: Instant,
    requests: u64,
    sleep: Option<Sleep>,
    told: bool,
    closing: bool,
}

impl Watch {
    pub(crate) fn new(state: Arc<State>, presence: Presence) -> Self {
        Self {
            phase: Phase::Busy,
            since: Instant::now(),
            requests: 0,
            sleep: None,
            told: false,
            closing: false,
            state,
            presence,
        }
    }

    pub(crate) fn state(&self) -> &State {
        &self.state
    }

    /// The connection was told to end.
    pub(crate) fn close(&mut self) {
        self.closing = true;
        self.since = Instant::now();
        self.told = true;
    }

    /// Listens to a client for a moment longer; see [`linger`](crate::conn::linger).
    pub(crate) async fn linger(&mut self, transport: &mut Transport) {
        conn::linger(transport, &self.state.common.reactor, &mut self.presence).await;
    }

    /// To be polled after hyper, whenever hyper was.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        if self.state.waker.get().is_none() {
            let _ = self.state.waker.set(cx.waker().clone());
        }
        match self.presence.stage(cx) {
            Stage::Aborted => return Poll::Ready(Event::Abort),
            Stage::Draining if !self.told => {
                self.told = true;
                return Poll::Ready(Event::Drain);
            }
            Stage::Draining | Stage::Serving => {}
        }
        let phase = self.phase();
        let requests = self.state.requests();
        let moved = phase != self.phase || requests != self.requests;
        (self.phase, self.requests) = (phase, requests);
        let Some(limit) = self.limit() else { return Poll::Pending };
        if moved {
            self.since = Instant::now();
        }
        let deadline = self.since + limit;
        if moved
            && self
                .sleep
                .as_ref()
                .is_some_and(|sleep| sleep.deadline() > self.since && sleep.deadline() <= deadline)
        {
            // It wakes this task before the deadline; until then there is nothing to look at.
            return Poll::Pending;
        }
        self.expired(cx, deadline)
    }

    fn expired(&mut self, cx: &mut Context<'_>, mut deadline: Instant) -> Poll<Event> {
        loop {
            let sleep = self.sleep.get_or_insert_with(|| self.state.common.reactor.sleep_until(deadline));
            if sleep.deadline() > deadline {
                sleep.reset(deadline);
            }
            if Pin::new(&mut *sleep).poll(cx).is_pending() {
                return Poll::Pending;
            }
            if sleep.deadline() >= deadline {
                if !(self.closing && self.state.was_active()) {
                    return Poll::Ready(Event::Expired(if self.closing { Phase::Busy } else { self.phase }));
                }
                self.since = Instant::now();
                deadline = self.since + CLOSING;
            }
            sleep.reset(deadline);
        }
    }

    fn phase(&self) -> Phase {
        let state = &self.state;
        if state.in_flight() > 0 || (state.is_write_blocked() && !state.http2) {
            Phase::Busy
        } else if state.is_between() {
            Phase::Idle
        } else {
            Phase::Head
        }
    }

    fn limit(&self) -> Option<Duration> {
        let config = &self.state.common.config;
        match self.phase {
            Phase::Busy => None,
            _ if self.closing => Some(CLOSING),
            Phase::Idle => Some(config.keep_alive_timeout),
            Phase::Head => Some(config.header_timeout),
        }
    }
}
