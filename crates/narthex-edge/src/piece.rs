//! Pieces of a response's body that tell when hyper is done with them.
//!
//! hyper forgets what it has buffered when a body fails: HTTP/1 ends the connection before it flushes, HTTP/2 resets the
//! stream over its own queue. So a failure waits until the pieces before it are out. Bodies in memory cannot fail, and
//! their pieces are not counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use bytes::{Buf, Bytes};
use parking_lot::Mutex;

/// The pieces of one body that hyper still has.
#[derive(Debug, Default)]
pub(crate) struct Pieces {
    count: AtomicUsize,
    /// Of a body that waits to fail.
    waker: Mutex<Option<Waker>>,
}

impl Pieces {
    pub(crate) fn piece(self: &Arc<Self>, bytes: Bytes) -> Piece {
        self.count.fetch_add(1, Ordering::AcqRel);
        Piece { bytes, pieces: Some(Arc::clone(self)) }
    }

    /// Ready when hyper has none left.
    pub(crate) fn poll_out(&self, cx: &Context<'_>) -> Poll<()> {
        *self.waker.lock() = Some(cx.waker().clone());
        if self.count.load(Ordering::Acquire) == 0 { Poll::Ready(()) } else { Poll::Pending }
    }
}

/// Bytes for hyper to write.
#[derive(Debug)]
pub(crate) struct Piece {
    bytes: Bytes,
    pieces: Option<Arc<Pieces>>,
}

impl From<Bytes> for Piece {
    /// One that nobody counts.
    fn from(bytes: Bytes) -> Self {
        Self { bytes, pieces: None }
    }
}

impl Buf for Piece {
    fn remaining(&self) -> usize {
        self.bytes.len()
    }

    fn chunk(&self) -> &[u8] {
        &self.bytes
    }

    fn advance(&mut self, count: usize) {
        self.bytes.advance(count);
    }

    fn copy_to_bytes(&mut self, count: usize) -> Bytes {
        self.bytes.copy_to_bytes(count)
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        let Some(pieces) = &self.pieces else { return };
        if pieces.count.fetch_sub(1, Ordering::AcqRel) == 1 {
            let waker = pieces.waker.lock().take();
            waker.into_iter().for_each(Waker::wake);
        }
    }
}
