//! The timeouts of a connection and the stages of its server, as one thing to poll after hyper.
//!
//! A timer is not touched for each request: it is set when there is none, and when it runs out too early for what the
//! connection does by then, it is set anew. The bodies of requests have their own timeout (see `body`).

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};
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
    /// Until the connection is as old as it may be, then until its grace is over.
    age: Option<Sleep>,
    /// It takes no more requests for its age.
    old: bool,
    /// Until a client that was told to go is left.
    leaving: Option<Sleep>,
}

impl Watch {
    pub(crate) fn new(state: Arc<State>, presence: Presence) -> Self {
        let common = &state.common;
        let age = common.config.max_age.map(|age| common.reactor.sleep(about(age)));
        Self {
            age,
            old: false,
            leaving: None,
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
        if let Some(event) = self.aged(cx) {
            return Poll::Ready(event);
        }
        if self.state.is_ending() {
            let reactor = &self.state.common.reactor;
            let leaving = self.leaving.get_or_insert_with(|| reactor.sleep(CLOSING));
            return Pin::new(leaving).poll(cx).map(|()| Event::Abort);
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

    /// What the connection's age asks for: to end with what is in flight, and when the grace is over at once.
    fn aged(&mut self, cx: &mut Context<'_>) -> Option<Event> {
        if Pin::new(self.age.as_mut()?).poll(cx).is_pending() {
            return None;
        }
        if std::mem::replace(&mut self.old, true) {
            return Some(Event::Abort);
        }
        self.told = true;
        let common = &self.state.common;
        self.age = common.config.max_age_grace.map(|grace| common.reactor.sleep(grace));
        Some(Event::Drain)
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
            Phase::Idle if self.state.http2 => config.h2_idle_timeout,
            Phase::Idle => Some(config.keep_alive_timeout),
            Phase::Head => Some(config.header_timeout),
        }
    }
}

/// A tenth more or less, so that clients that came together do not all come again together.
fn about(time: Duration) -> Duration {
    let [a, b, ..] = RandomState::new().build_hasher().finish().to_ne_bytes();
    let part = f64::from(u16::from_ne_bytes([a, b])) / f64::from(u16::MAX);
    time.mul_f64(0.9 + 0.2 * part)
}
