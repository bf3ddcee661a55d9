//! What is still to come of an HTTP/2 request whose body nobody reads any more.
//!
//! A stream whose body is given up is reset. An answer may go before the reset (RFC 9113 8.1), yet many clients then report
//! the reset and lose the answer; some, as curl 7.88, hang when an answer ends before their upload. So a client gets some
//! time to end its upload, and meanwhile its answer does not end. It is *not* for HTTP/1, whose connection as a whole is
//! listened to for a moment (see `conn`), and answers to gRPC calls end at once: such a client waits for its status.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker, ready};
use std::time::{Duration, Instant};

use http_body::Body as _;
use hyper::body::Incoming;
use narthex_wire::Receiving;
use parking_lot::Mutex;

use crate::state::State;

/// As much is read of each request to no use, and for so long. There are at most as many of them as the connection may have
/// streams, for these count until they end.
const BYTES: usize = 64 * 1024 * 1024;
const TIME: Duration = Duration::from_secs(5);
/// The answer ends when nothing has come for so long.
const PAUSE: Duration = Duration::from_secs(1);

/// Whether more of an unread body is waited for: shared by a request's body and its response's.
#[derive(Debug, Default)]
pub(crate) struct Rest {
    coming: AtomicBool,
    /// The body may pause for as long as it likes.
    pausing: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

impl Receiving for Rest {
    fn let_pause(&self) {
        self.pausing.store(true, Ordering::Release);
    }
}

impl Rest {
    pub(crate) fn may_pause(&self) -> bool {
        self.pausing.load(Ordering::Acquire)
    }

    pub(crate) fn is_coming(&self) -> bool {
        self.coming.load(Ordering::Acquire)
    }

    /// Ready when the answer may end.
    pub(crate) fn poll_over(&self, cx: &Context<'_>) -> Poll<()> {
        if !self.is_coming() {
            return Poll::Ready(());
        }
        *self.waker.lock() = Some(cx.waker().clone());
        if self.is_coming() { Poll::Pending } else { Poll::Ready(()) }
    }

    fn over(&self) {
        self.coming.store(false, Ordering::Release);
        let waker = self.waker.lock().take();
        waker.into_iter().for_each(Waker::wake);
    }
}

/// A rest is coming until this is dropped.
struct Coming(Arc<Rest>);

impl Drop for Coming {
    fn drop(&mut self) {
        self.0.over();
    }
}

/// Lets a request's body come to its end; nothing is left to do for one that has come already.
pub(crate) fn let_end(mut incoming: Incoming, rest: &Arc<Rest>, state: &State) {
    let mut left = BYTES;
    if poll_end(&mut incoming, &mut left, &mut Context::from_waker(Waker::noop())).is_ready() {
        return;
    }
    rest.coming.store(true, Ordering::Release);
    let coming = Coming(Arc::clone(rest));
    let reactor = &state.common.reactor;
    let (mut whole, mut pause) = (reactor.sleep(TIME), reactor.sleep(PAUSE));
    let end = poll_fn(move |cx| {
        let before = left;
        if Pin::new(&mut whole).poll(cx).is_ready() || poll_end(&mut incoming, &mut left, cx).is_ready() {
            return Poll::Ready(());
        }
        if coming.0.is_coming() {
            if left != before {
                pause.reset(Instant::now() + PAUSE);
            }
            if Pin::new(&mut pause).poll(cx).is_ready() {
                coming.0.over();
            }
        }
        Poll::Pending
    });
    reactor.spawn(end).detach();
}

/// Ready when the body has ended, or enough of it has been read.
fn poll_end(incoming: &mut Incoming, left: &mut usize, cx: &mut Context<'_>) -> Poll<()> {
    while let Some(Ok(frame)) = ready!(Pin::new(&mut *incoming).poll_frame(cx)) {
        let length = frame.data_ref().map_or(0, bytes::Bytes::len);
        let Some(less) = left.checked_sub(length) else { break };
        *left = less;
    }
    Poll::Ready(())
}
