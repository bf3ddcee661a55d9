//! A value that response bodies wait on: whoever changes it wakes them.
//!
//! It is *not* a queue: a watcher that is slow sees the latest state, not each one.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;
use slab::Slab;

/// A value and those who wait for it to change.
#[derive(Debug)]
pub(crate) struct Watched<T>(Arc<Mutex<Inner<T>>>);

#[derive(Debug)]
struct Inner<T> {
    value: T,
    watchers: Slab<Option<Waker>>,
}

impl<T> Clone for Watched<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Watched<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(Arc::new(Mutex::new(Inner { value, watchers: Slab::new() })))
    }

    pub(crate) fn read<R>(&self, read: impl FnOnce(&T) -> R) -> R {
        read(&self.0.lock().value)
    }

    /// Changes the value and wakes every watcher, after the lock is released.
    pub(crate) fn update(&self, change: impl FnOnce(&mut T)) {
        let wakers: Vec<Waker> = {
            let mut inner = self.0.lock();
            change(&mut inner.value);
            inner.watchers.iter_mut().filter_map(|(_, waker)| waker.take()).collect()
        };
        wakers.into_iter().for_each(Waker::wake);
    }

    pub(crate) fn watch(&self) -> Watcher<T> {
        let key = self.0.lock().watchers.insert(None);
        Watcher { watched: self.clone(), key }
    }
}

/// One who waits; forgotten when dropped.
#[derive(Debug)]
pub(crate) struct Watcher<T> {
    watched: Watched<T>,
    key: usize,
}

impl<T> Watcher<T> {
    /// What `find` finds in the value, or pending until the value is changed.
    pub(crate) fn poll<R>(&self, cx: &mut Context<'_>, find: impl FnOnce(&T) -> Option<R>) -> Poll<R> {
        let mut inner = self.watched.0.lock();
        if let Some(found) = find(&inner.value) {
            return Poll::Ready(found);
        }
        let old = inner.watchers[self.key].replace(cx.waker().clone());
        // A waker may run code when it is dropped, even a Watcher's drop: not under the lock.
        drop(inner);
        drop(old);
        Poll::Pending
    }
}

impl<T> Drop for Watcher<T> {
    fn drop(&mut self) {
        // As above: the waker outlives the lock.
        let waker = self.watched.0.lock().watchers.remove(self.key);
        drop(waker);
    }
}
