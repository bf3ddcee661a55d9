//! What the parts of one connection know of each other: its IO, its exchanges, their bodies, and its timeouts.
//!
//! One thread at a time drives all of them, so nothing here is contended; the atomics only carry it between threads.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::Waker;

use http::StatusCode;
use narthex_reactor::Reactor;
use narthex_wire::{Connection, Receiving};
use parking_lot::Mutex;

use crate::config::Config;
use crate::date::Date;
use crate::drain::Roll;
use crate::rest::Rest;

/// What went wrong with a request's body, where its answer should say so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// No progress for the body timeout.
    Stalled,
    /// Not what HTTP/1's framing allows, or ended early.
    Malformed,
}

impl Fault {
    /// What the client gets, whatever the service answers.
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::Stalled => StatusCode::REQUEST_TIMEOUT,
            Self::Malformed => StatusCode::BAD_REQUEST,
        }
    }
}

/// How a request's body is doing: an extension of the request, for those who tell what the client got.
#[derive(Clone, Debug)]
pub(crate) struct Faults {
    pub(crate) state: Arc<State>,
    pub(crate) number: u64,
}

impl Faults {
    /// The status that the client gets in the place of the service's.
    pub(crate) fn status(&self) -> Option<StatusCode> {
        self.state.fault(self.number).map(Fault::status)
    }
}

/// What all connections of a server have in common.
#[derive(Debug)]
pub(crate) struct Common {
    pub(crate) config: Config,
    pub(crate) reactor: Reactor,
    pub(crate) roll: Arc<Roll>,
    pub(crate) date: Date,
}

/// One connection.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) common: Arc<Common>,
    pub(crate) connection: Arc<Connection>,
    /// The peer's `X-Forwarded-*` headers are believed.
    pub(crate) believed: bool,
    pub(crate) http2: bool,
    /// Of the connection's task.
    pub(crate) waker: OnceLock<Waker>,
    /// Requests so far.
    requests: AtomicU64,
    in_flight: AtomicUsize,
    /// HTTP/1: nothing of a next request has come.
    between: AtomicBool,
    /// HTTP/1: the number of a head whose framing is ambiguous.
    misframed: AtomicU64,
    /// The peer does not take what we wrote.
    write_blocked: AtomicBool,
    /// Bytes went either way since this was last asked.
    active: AtomicBool,
    /// Something of a response went out since this was last asked.
    sent: AtomicBool,
    /// The client has been told that the connection ends.
    ending: AtomicBool,
    /// HTTP/1: the last request's body was not read to its end, so far.
    unread: AtomicBool,
    /// HTTP/1: nor will it be.
    given_up: AtomicBool,
    /// HTTP/1: the last request's body may pause for as long as it likes.
    pausing: AtomicBool,
    /// HTTP/1.0: a response is being sent that ends with the connection.
    open_ended: AtomicBool,
    has_faults: AtomicBool,
    faults: Mutex<Vec<(u64, Fault)>>,
}

const NONE: u64 = u64::MAX;

impl State {
    pub(crate) fn new(
        common: Arc<Common>,
        connection: Arc<Connection>,
        believed: bool,
        http2: bool,
    ) -> Arc<Self> {
        Arc::new(Self {
            common,
            connection,
            believed,
            http2,
            waker: OnceLock::new(),
            requests: AtomicU64::new(0),
            in_flight: AtomicUsize::new(0),
            between: AtomicBool::new(true),
            misframed: AtomicU64::new(NONE),
            write_blocked: AtomicBool::new(false),
            active: AtomicBool::new(false),
            sent: AtomicBool::new(false),
            ending: AtomicBool::new(false),
            unread: AtomicBool::new(false),
            given_up: AtomicBool::new(false),
            pausing: AtomicBool::new(false),
            open_ended: AtomicBool::new(false),
            has_faults: AtomicBool::new(false),
            faults: Mutex::default(),
        })
    }

    pub(crate) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Acquire)
    }

    pub(crate) fn read(&self, between: bool, misframed: Option<u64>) {
        self.between.store(between, Ordering::Relaxed);
        self.active.store(true, Ordering::Relaxed);
        if let Some(head) = misframed {
            self.misframed.store(head, Ordering::Relaxed);
        }
    }

    pub(crate) fn is_between(&self) -> bool {
        self.between.load(Ordering::Relaxed)
    }

    pub(crate) fn is_misframed(&self, request: u64) -> bool {
        self.misframed.load(Ordering::Relaxed) == request
    }

    pub(crate) fn wrote(&self, blocked: bool) {
        self.write_blocked.store(blocked, Ordering::Relaxed);
        if !blocked {
            self.active.store(true, Ordering::Relaxed);
        }
    }

    pub(crate) fn is_write_blocked(&self) -> bool {
        self.write_blocked.load(Ordering::Relaxed)
    }

    pub(crate) fn was_active(&self) -> bool {
        self.active.swap(false, Ordering::Relaxed)
    }

    pub(crate) fn sent(&self) {
        self.sent.store(true, Ordering::Relaxed);
    }

    pub(crate) fn take_sent(&self) -> bool {
        self.sent.swap(false, Ordering::Relaxed)
    }

    pub(crate) fn end_soon(&self) {
        self.ending.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_ending(&self) -> bool {
        self.ending.load(Ordering::Relaxed)
    }

    pub(crate) fn read_all(&self) {
        self.unread.store(false, Ordering::Relaxed);
    }

    pub(crate) fn is_unread(&self) -> bool {
        self.unread.load(Ordering::Relaxed)
    }

    pub(crate) fn give_up(&self) {
        self.given_up.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_given_up(&self) -> bool {
        self.given_up.load(Ordering::Relaxed)
    }

    pub(crate) fn may_pause(&self) -> bool {
        self.pausing.load(Ordering::Relaxed)
    }

    pub(crate) fn set_open_ended(&self, open_ended: bool) {
        self.open_ended.store(open_ended, Ordering::Relaxed);
    }

    pub(crate) fn is_open_ended(&self) -> bool {
        self.open_ended.load(Ordering::Relaxed)
    }

    pub(crate) fn fail(&self, request: u64, fault: Fault) {
        self.faults.lock().push((request, fault));
        self.has_faults.store(true, Ordering::Release);
    }

    fn fault(&self, request: u64) -> Option<Fault> {
        if !self.has_faults.load(Ordering::Acquire) {
            return None;
        }
        self.faults.lock().iter().find(|(number, _)| *number == request).map(|(_, fault)| *fault)
    }

    pub(crate) fn take_fault(&self, request: u64) -> Option<Fault> {
        if !self.has_faults.load(Ordering::Acquire) {
            return None;
        }
        let mut faults = self.faults.lock();
        let at = faults.iter().position(|(number, _)| *number == request)?;
        let (_, fault) = faults.swap_remove(at);
        self.has_faults.store(!faults.is_empty(), Ordering::Release);
        Some(fault)
    }
}

/// HTTP/1, which receives one body at a time.
impl Receiving for State {
    fn let_pause(&self) {
        self.pausing.store(true, Ordering::Relaxed);
    }
}

/// An exchange is in flight until this is dropped: with the last of its response, or where it was given up.
#[derive(Debug)]
pub(crate) struct InFlight {
    pub(crate) state: Arc<State>,
    /// Which request of its connection it is, from 0.
    pub(crate) number: u64,
    /// Of an HTTP/2 request with a body.
    pub(crate) rest: Option<Arc<Rest>>,
}

impl InFlight {
    pub(crate) fn new(state: &Arc<State>, has_body: bool) -> Self {
        state.in_flight.fetch_add(1, Ordering::AcqRel);
        state.unread.store(has_body && !state.http2, Ordering::Relaxed);
        state.given_up.store(false, Ordering::Relaxed);
        state.pausing.store(false, Ordering::Relaxed);
        state.common.roll.exchange_begins();
        let number = state.requests.fetch_add(1, Ordering::Relaxed);
        let rest = (state.http2 && has_body).then(Arc::default);
        Self { state: Arc::clone(state), number, rest }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let last = self.state.in_flight.fetch_sub(1, Ordering::AcqRel) == 1;
        self.state.common.roll.exchange_ends();
        // What nobody has asked about until now nobody will.
        self.state.take_fault(self.number);
        // HTTP/1 answers inside the connection's own task, which looks at its timeouts afterwards anyway.
        if last
            && self.state.http2
            && let Some(waker) = self.state.waker.get()
        {
            waker.wake_by_ref();
        }
    }
}
