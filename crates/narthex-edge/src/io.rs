//! A connection as hyper sees it: what was read while the protocol was found out comes first, and what passes is looked at.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Buf as _, Bytes};
use hyper::rt::{Read, ReadBufCursor, Write};

use crate::framing::Framing;
use crate::state::State;
use crate::tls::Transport;

/// What a connection is read from and written to.
#[derive(Debug)]
pub(crate) struct Io {
    transport: Transport,
    /// Read already, and not given to hyper yet.
    first: Bytes,
    state: Arc<State>,
    framing: Framing,
}

impl Io {
    pub(crate) fn new(transport: Transport, first: Bytes, state: Arc<State>) -> Self {
        let mut io = Self { transport, first, state, framing: Framing::default() };
        see(&mut io.framing, &io.state, &io.first);
        io
    }

    pub(crate) fn transport(&mut self) -> &mut Transport {
        &mut self.transport
    }
}

impl Drop for Io {
    fn drop(&mut self) {
        // The client would take an ordinary end of the connection for that of the response.
        if self.state.is_open_ended() {
            self.transport.reset_when_closed();
        }
    }
}

fn see(framing: &mut Framing, state: &State, bytes: &[u8]) {
    if bytes.is_empty() {
        return;
    }
    if state.http2 {
        state.read(true, None);
    } else {
        let misframed = framing.feed(bytes);
        state.read(framing.is_between(), misframed);
    }
}

impl Read for Io {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.first.is_empty() {
            let some = this.first.len().min(buffer.remaining());
            buffer.put_slice(&this.first[..some]);
            this.first.advance(some);
            return Poll::Ready(Ok(()));
        }
        let (framing, state) = (&mut this.framing, &this.state);
        this.transport.poll_read_seen(cx, buffer, |bytes| see(framing, state, bytes))
    }
}

impl Write for Io {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = self.transport.poll_write(cx, bytes);
        self.state.wrote(written.is_pending());
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = self.transport.poll_write_vectored(cx, slices);
        self.state.wrote(written.is_pending());
        written
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = self.transport.poll_flush(cx);
        if flushed.is_pending() {
            self.state.wrote(true);
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.transport.poll_shutdown(cx)
    }
}
