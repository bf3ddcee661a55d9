//! Stopping: who is still there, who has to be told, and who waits until all are gone.
//!
//! What a connection does when it is told is its own affair (see `conn`).

use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;
use slab::Slab;

/// How far a server is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Stage {
    Serving = 0,
    Draining = 1,
    Aborted = 2,
}

/// What all connections and listeners of a server share.
#[derive(Debug)]
pub(crate) struct Roll {
    stage: AtomicU8,
    exchanges: AtomicUsize,
    present: Mutex<Present>,
}

#[derive(Debug, Default)]
struct Present {
    connections: usize,
    listeners: usize,
    /// Of every connection and listener that has been polled.
    wakers: Slab<Waker>,
    /// Of those who wait for the end.
    waiting: Vec<Waker>,
}

impl Roll {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            stage: AtomicU8::new(Stage::Serving as u8),
            exchanges: AtomicUsize::new(0),
            present: Mutex::default(),
        })
    }

    pub(crate) fn stage(&self) -> Stage {
        match self.stage.load(Ordering::Acquire) {
            0 => Stage::Serving,
            1 => Stage::Draining,
            _ => Stage::Aborted,
        }
    }

    fn advance(&self, stage: Stage) {
        self.stage.fetch_max(stage as u8, Ordering::AcqRel);
        let wakers: Vec<_> = self.present.lock().wakers.iter().map(|(_, waker)| waker.clone()).collect();
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Counts an exchange, until [`Roll::exchange_ends`].
    pub(crate) fn exchange_begins(&self) {
        self.exchanges.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn exchange_ends(&self) {
        if self.exchanges.fetch_sub(1, Ordering::AcqRel) == 1 && self.stage() != Stage::Serving {
            self.tell();
        }
    }

    /// Wakes those who wait for the end, if it has come.
    fn tell(&self) {
        let mut present = self.present.lock();
        let waiting = if self.is_over(&present) { std::mem::take(&mut present.waiting) } else { Vec::new() };
        drop(present);
        waiting.into_iter().for_each(Waker::wake);
    }

    fn is_over(&self, present: &Present) -> bool {
        present.connections == 0 && present.listeners == 0 && self.exchanges.load(Ordering::Acquire) == 0
    }

    fn poll_over(&self, cx: &Context<'_>) -> Poll<()> {
        let mut present = self.present.lock();
        if self.is_over(&present) {
            return Poll::Ready(());
        }
        if !present.waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
            present.waiting.push(cx.waker().clone());
        }
        Poll::Pending
    }
}

/// That a connection or listener is there, until this is dropped.
#[derive(Debug)]
pub(crate) struct Presence {
    roll: Arc<Roll>,
    connection: bool,
    waker: Option<usize>,
}

impl Presence {
    pub(crate) fn connection(roll: &Arc<Roll>) -> Self {
        roll.present.lock().connections += 1;
        Self { roll: Arc::clone(roll), connection: true, waker: None }
    }

    pub(crate) fn listener(roll: &Arc<Roll>) -> Self {
        roll.present.lock().listeners += 1;
        Self { roll: Arc::clone(roll), connection: false, waker: None }
    }

    /// The stage, and from now on a wake when it changes. A task's waker stays the same, so the first is kept.
    pub(crate) fn stage(&mut self, cx: &Context<'_>) -> Stage {
        if self.waker.is_none() {
            self.waker = Some(self.roll.present.lock().wakers.insert(cx.waker().clone()));
        }
        self.roll.stage()
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        let mut present = self.roll.present.lock();
        if self.connection {
            present.connections -= 1;
        } else {
            present.listeners -= 1;
        }
        let waker = self.waker.and_then(|key| present.wakers.try_remove(key));
        drop(present);
        drop(waker);
        self.roll.tell();
    }
}

/// A server that serves; clones mean the same one, and dropping them all leaves it serving.
#[derive(Clone)]
pub struct Serving {
    pub(crate) roll: Arc<Roll>,
}

impl Serving {
    /// Stops: no more connections are accepted (later ones are refused, and a UNIX socket's file goes), idle ones are
    /// closed, and the others end with the exchanges that are in flight: HTTP/2 clients get a GOAWAY, HTTP/1 clients
    /// `connection: close`.
    ///
    /// It returns at once; the reactor does the work. [`Serving::drained`] tells when it is done.
    pub fn drain(&self) {
        self.roll.advance(Stage::Draining);
    }

    /// Waits until every listener, connection and exchange has gone, which without a [`Serving::drain`] never happens.
    ///
    /// # Cancel safety
    ///
    /// It may be dropped and called again.
    pub async fn drained(&self) {
        poll_fn(|cx| self.roll.poll_over(cx)).await;
    }

    /// Stops at once: connections are closed and exchanges dropped where they are.
    pub fn abort(&self) {
        self.roll.advance(Stage::Aborted);
    }

    /// How many connections are open.
    pub fn connections(&self) -> usize {
        self.roll.present.lock().connections
    }

    /// How many requests have not been answered in full.
    pub fn exchanges(&self) -> usize {
        self.roll.exchanges.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for Serving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Serving")
            .field("stage", &self.roll.stage())
            .field("connections", &self.connections())
            .field("exchanges", &self.exchanges())
            .finish()
    }
}
