//! What is still to come of an HTTP/2 request whose body nobody reads any more.
//!
//! A stream whose body is given up is reset. An answer may go before the reset (RFC 9113 8.1), yet many clients then report
//! the reset and lose the answer. So a client gets some time to end its upload first. It is *not* for HTTP/1, whose
//! connection as a whole is listened to for a moment (see `conn`).

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use http_body::Body as _;
use hyper::body::Incoming;

use crate::state::State;

/// As much is read of each request to no use, and for so long. There are at most as many of them as the connection may have
/// streams, for these count until they end.
const BYTES: usize = 64 * 1024 * 1024;
const TIME: Duration = Duration::from_secs(5);

/// Lets a request's body come to its end; nothing is left to do for one that has come already.
pub(crate) fn let_end(mut incoming: Incoming, state: &State) {
    let mut left = BYTES;
    if poll_end(&mut incoming, &mut left, &mut Context::from_waker(Waker::noop())).is_ready() {
        return;
    }
    let reactor = &state.common.reactor;
    let mut sleep = reactor.sleep(TIME);
    let end = poll_fn(move |cx| {
        if Pin::new(&mut sleep).poll(cx).is_ready() {
            return Poll::Ready(());
        }
        poll_end(&mut incoming, &mut left, cx)
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
