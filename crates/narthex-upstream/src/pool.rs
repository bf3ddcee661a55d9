//! Which connection a call goes by. One is the rule; another is made when those there are carry all the calls they take.

use std::fmt;
use std::mem;
use std::sync::Arc;

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

/// The connections to one upstream.
pub(crate) struct Pool {
    dialer: Dialer,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    connections: Vec<Arc<Connection>>,
    /// Ready when the attempt that is under way has ended.
    attempt: Option<Shared<Receiver<()>>>,
    backoff: Backoff,
    /// What the last attempt failed with.
    failure: String,
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

    fn choose(&self) -> Choice {
        let mut state = self.state.lock();
        state.connections.retain(|connection| !connection.has_ended());
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
        let was_failing = state.backoff.is_failing();
        match dialled {
            Ok(connection) => {
                state.backoff = Backoff::default();
                state.connections.push(Arc::new(connection));
            }
            Err(error) => {
                state.backoff.failed();
                state.failure = error.to_string();
            }
        }
        let is_failing = state.backoff.is_failing();
        let (attempt, failure) = (mem::take(&mut state.attempt), state.failure.clone());
        drop(state);
        match (was_failing, is_failing) {
            (false, true) => tracing::warn!(
                "the upstream {} cannot be reached: {failure}; its calls fail until it can",
                self.address()
            ),
            (true, false) => tracing::info!("the upstream {} is reached again", self.address()),
            _ => {}
        }
        drop((attempt, ended));
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("address", self.address()).finish_non_exhaustive()
    }
}
