//! What hyper asks of a runtime: an executor, a timer, and IO.
//!
//! It is the only module that names hyper, and only its `rt` traits: no HTTP here.

use std::future::Future;
use std::io;
use std::io::IoSlice;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use hyper::rt::{Executor, Read, ReadBufCursor, Timer, Write};

use crate::net::Stream;
use crate::reactor::Reactor;
use crate::timer::Sleep;

/// Spawns hyper's tasks (those of HTTP/2 streams) on a reactor.
#[derive(Clone, Debug)]
pub struct ReactorExecutor(Reactor);

impl ReactorExecutor {
    /// An executor on `reactor`.
    pub fn new(reactor: &Reactor) -> Self {
        Self(reactor.clone())
    }
}

impl<F> Executor<F> for ReactorExecutor
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, future: F) {
        self.0.spawn(future).detach();
    }
}

/// Gives hyper the timers of a reactor.
#[derive(Clone, Debug)]
pub struct ReactorTimer(Reactor);

impl ReactorTimer {
    /// A timer on `reactor`.
    pub fn new(reactor: &Reactor) -> Self {
        Self(reactor.clone())
    }
}

impl Timer for ReactorTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn hyper::rt::Sleep>> {
        Box::pin(self.0.sleep(duration))
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn hyper::rt::Sleep>> {
        Box::pin(self.0.sleep_until(deadline))
    }

    fn reset(&self, sleep: &mut Pin<Box<dyn hyper::rt::Sleep>>, new_deadline: Instant) {
        if let Some(sleep) = sleep.as_mut().downcast_mut_pin::<Sleep>() {
            sleep.get_mut().reset(new_deadline);
        } else {
            *sleep = self.sleep_until(new_deadline);
        }
    }
}

impl hyper::rt::Sleep for Sleep {}

impl Stream {
    /// Reads as hyper does, and shows what was read to `see` before hyper gets it.
    #[expect(unsafe_code, reason = "hyper's cursor hands out uninitialized memory")]
    pub fn poll_read_seen(
        &self,
        context: &Context<'_>,
        mut buffer: ReadBufCursor<'_>,
        see: impl FnOnce(&[u8]),
    ) -> Poll<io::Result<()>> {
        // SAFETY: `Stream::poll_read` only ever writes to it, so that nothing initialized becomes uninitialized.
        let unfilled = unsafe { buffer.as_mut() };
        let count = ready!(self.poll_read(context, unfilled))?;
        // SAFETY: `Stream::poll_read` has initialized that many bytes from the start of the unfilled part.
        see(unsafe { unfilled[..count].assume_init_ref() });
        // SAFETY: as above.
        unsafe { buffer.advance(count) };
        Poll::Ready(Ok(()))
    }
}

impl Read for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        self.poll_read_seen(context, buffer, |_| {})
    }
}

impl Write for Stream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Stream::poll_write(&self, context, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Stream::poll_write_vectored(&self, context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.shutdown())
    }
}
