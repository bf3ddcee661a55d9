//! Waiting on a lane: what an awaitable is to a coroutine, for synchronous code.

use std::sync::Arc;
use std::task::{Poll, Wake, Waker};

use parking_lot::{Condvar, Mutex};
use pyo3::Python;

/// Polls until there is a value, and lets other threads have the interpreter in between.
///
/// For lanes only: on the event loop's thread nothing would ever come. Whoever keeps the waker has to wake it when nothing
/// will come any more, for nothing else ends the wait.
pub fn block_until<T: Send>(py: Python<'_>, mut poll: impl FnMut(&Waker) -> Poll<T> + Send) -> T {
    // What is there already costs neither a waker nor a detour around the interpreter.
    if let Poll::Ready(value) = poll(Waker::noop()) {
        return value;
    }
    py.detach(|| {
        let parked = Arc::new(Parked::default());
        let waker = Waker::from(Arc::clone(&parked));
        loop {
            if let Poll::Ready(value) = poll(&waker) {
                return value;
            }
            parked.wait();
        }
    })
}

#[derive(Default)]
struct Parked {
    woken: Mutex<bool>,
    wake: Condvar,
}

impl Parked {
    fn wait(&self) {
        let mut woken = self.woken.lock();
        while !*woken {
            self.wake.wait(&mut woken);
        }
        *woken = false;
    }
}

impl Wake for Parked {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        *self.woken.lock() = true;
        self.wake.notify_one();
    }
}
