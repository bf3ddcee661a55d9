//! How a forked child is kept from touching what it shares with its parent.
//!
//! A child made by `fork` without `exec` inherits the epoll instance, the timer and the sockets as *the same* kernel
//! objects: were it to disarm a timer or to deregister a socket, it would do so for its parent; and a lock that another
//! thread held at the fork stays locked for ever. So each reactor remembers the generation of the process it was made
//! in, and in any other does nothing at all. The generation is counted by a `pthread_atfork` handler: a look at it
//! costs a load, where `getpid` would be a system call for each wake.
//!
//! It is not a way to serve from a forked child: that child makes a reactor of its own.

use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};

static GENERATION: AtomicU32 = AtomicU32::new(0);
static HANDLER: Once = Once::new();

/// The process that something belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Process(u32);

impl Process {
    /// The process that runs now, which from here on notices its forks.
    #[expect(unsafe_code, reason = "only libc offers fork handlers")]
    pub(crate) fn current() -> Self {
        HANDLER.call_once(|| {
            // SAFETY: the handler is a plain function that lives as long as the process (a Python extension is never
            // unloaded) and does nothing but add to an atomic, which is async-signal-safe.
            let failed = unsafe { libc::pthread_atfork(None, None, Some(count_fork)) };
            if failed != 0 {
                // Out of memory for three pointers. Serving still works; only a fork without exec would not be seen.
                tracing::error!("pthread_atfork failed: a forked child may disturb its parent's sockets");
            }
        });
        Self(GENERATION.load(Ordering::Relaxed))
    }

    /// Whether this is still the process that runs, and not a child forked from it.
    pub(crate) fn is_current(self) -> bool {
        GENERATION.load(Ordering::Relaxed) == self.0
    }
}

extern "C" fn count_fork() {
    GENERATION.fetch_add(1, Ordering::Relaxed);
}
