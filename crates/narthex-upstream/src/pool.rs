//! Which connection a call goes by. One is the rule; another is made when those there are carry all the calls they take.

use std::fmt;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use futures_channel::oneshot::{self, Receiver, Sender};
use futures_util::FutureExt as _;
use futures_util::future::Shared;
use narthex_wire::Status;
use parking_lot::Mutex;

use crate::address::Address;
use crate::backoff::Backoff;
use crate::connection::{Connection, Slot};
use crate::dial::Dialer;

/// With as many, an upstream has thousands of calls in flight, or takes hardly any on each.
const MAX_CONNECTIONS: usize = 64;
/// A connection that lasted longer is no failure, though it has answered nothing.
const EARLY: Duration = Duration::from_secs(10);
const ENDED_EARLY: &str = "it ends connections before it has answered a call";

/// The connections to one upstream.
pub(crate) struct Pool {
    dialer: Dialer,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    connections: Vec<Arc<Connection>>,
    /// How often there was a connection where there was none.
    reconnections: u64,
    /// Ready when the attempt that is under way has ended.
    attempt: Option<Shared<Receiver<()>>>,
    backoff: Backoff,
    /// What the last attempt failed with.
    failure: String,
    /// Those who want to hear that what answers may be another server.
    changed: Vec<Sender<Change>>,
}

/// Why what answers may be another server than before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// There is a connection where there was none.
    Reconnected,
    /// It knows less, or more, than was thought.
    Doubted,
}

enum Choice {
    Take(Slot),
    /// Until this is ready; whoever gets the sender has to connect.
    Wait(Shared<Receiver<()>>, Option<Sender<()>>),
    Refuse(Status),
}

impl Pool {
    pub(crate) fn new(dialer: Dialer) -> Self {
        Self { dialer, state: Mutex::default() }
    }

    pub(crate) fn dialer(&self) -> &Dialer {
        &self.dialer
    }

    pub(crate) fn address(&self) -> &Address {
        &self.dialer.address
    }

    /// Room for a call. It waits for a connection that is being made, and fails at once while the upstream is left alone.
    pub(crate) async fn slot(self: &Arc<Self>) -> Result<Slot, Status> {
        loop {
            match self.choose() {
                Choice::Take(slot) => return Ok(slot),
                Choice::Refuse(status) => return Err(status),
                Choice::Wait(attempt, task) => {
                    if let Some(ended) = task {
                        // A task of its own: whoever began it may leave, and the others wait on.
                        self.dialer.reactor.spawn(Arc::clone(self).connect(ended)).detach();
                    }
                    // It ends by the sender being dropped.
                    let _ = attempt.await;
                }
            }
        }
    }

    /// How often there was a connection where there was none.
    pub(crate) fn reconnections(&self) -> u64 {
        self.state.lock().reconnections
    }

    /// Ready at the next change.
    pub(crate) fn changed(&self) -> impl Future<Output = Change> + use<> {
        let (sender, changed) = oneshot::channel();
        let mut state = self.state.lock();
        state.changed.retain(|waiting| !waiting.is_canceled());
        state.changed.push(sender);
        // The sender goes when it has told, or with the pool.
        changed.map(|told| told.unwrap_or(Change::Doubted))
    }

    /// Tells of a change those who have asked before.
    pub(crate) fn tell(&self, change: Change) {
        let waiting = mem::take(&mut self.state.lock().changed);
        for sender in waiting {
            // Whoever has gone does not want to know.
            let _ = sender.send(change);
        }
    }

    /// A call was answered on a connection that had answered none before: the upstream is there.
    pub(crate) fn prove(&self) {
        let was_failing = mem::take(&mut self.state.lock().backoff).is_failing();
        if was_failing {
            tracing::info!("the upstream {} is reached again", self.address());
        }
    }

    fn choose(&self) -> Choice {
        let mut state = self.state.lock();
        let began_to_fail = state.forget_ended();
        let choice = self.choice(&mut state);
        drop(state);
        if began_to_fail {
            self.warn(ENDED_EARLY);
        }
        choice
    }

    fn choice(&self, state: &mut State) -> Choice {
        if let Some(slot) = state.connections.iter().find_map(Connection::slot) {
            return Choice::Take(slot);
        }
        if let Some(attempt) = &state.attempt {
            return Choice::Wait(attempt.clone(), None);
        }
        if let Some(left) = state.backoff.left() {
            return Choice::Refuse(Status::unavailable(format!(
                "the upstream {} cannot be reached: {}; the next attempt is in {left:.1?}",
                self.address(),
                state.failure,
            )));
        }
        if state.connections.len() >= MAX_CONNECTIONS {
            let message = format!("the upstream {} has as many calls in flight as it takes", self.address());
            return Choice::Refuse(Status::resource_exhausted(message));
        }
        let (ended, attempt) = oneshot::channel();
        let attempt = attempt.shared();
        state.attempt = Some(attempt.clone());
        Choice::Wait(attempt, Some(ended))
    }

    async fn connect(self: Arc<Self>, ended: Sender<()>) {
        let dialled = self.dialer.dial().await;
        let mut state = self.state.lock();
        let (mut failure, mut is_new) = (None, false);
        match dialled {
            Ok(connection) => {
                state.backoff.connected();
                state.forget_ended();
                is_new = state.connections.is_empty();
                state.reconnections += u64::from(is_new);
                state.connections.push(Arc::new(connection));
            }
            Err(error) => {
                let began_to_fail = !state.backoff.is_failing();
                state.backoff.failed();
                state.failure = error.to_string();
                failure = began_to_fail.then(|| state.failure.clone());
            }
        }
        let attempt = mem::take(&mut state.attempt);
        drop(state);
        if let Some(failure) = failure {
            self.warn(&failure);
        }
        drop((attempt, ended));
        if is_new {
            self.tell(Change::Reconnected);
        }
    }

    fn warn(&self, failure: &str) {
        tracing::warn!(
            "the upstream {} cannot be reached: {failure}; its calls fail until it can",
            self.address()
        );
    }
}

impl State {
    /// Forgets connections that have ended; whether the upstream began to fail by that.
    fn forget_ended(&mut self) -> bool {
        let was_failing = self.backoff.is_failing();
        for connection in self.connections.extract_if(.., |connection| connection.has_ended()) {
            if let Some(made) = connection.unproven_since()
                && made.elapsed() < EARLY
            {
                self.backoff.ended_early(made);
                ENDED_EARLY.clone_into(&mut self.failure);
            }
        }
        !was_failing && self.backoff.is_failing()
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("address", self.address()).finish_non_exhaustive()
    }
}
