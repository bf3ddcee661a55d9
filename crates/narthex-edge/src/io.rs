//! A connection as hyper sees it: what was read while the protocol was found out comes first, and what passes is looked at.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use hyper::rt::{Read, ReadBufCursor, Write};

use crate::conn::PREFACE;
use crate::frames::{Abuse, Frames};
use crate::framing::Framing;
use crate::state::State;
use crate::tls::Transport;

/// What goes out that is of no response, beside h2's answers to frames: the SETTINGS and windows at the beginning, GOAWAY.
const OUR_OWN: usize = 256;

/// HTTP/2 writes a long body in frames of 16 KiB, each by itself: nearly always another follows.
const FULL_FRAME: usize = 16 * 1024;

/// What a connection is read from and written to.
#[derive(Debug)]
pub(crate) struct Io {
    transport: Transport,
    /// Read already, and not given to hyper yet.
    first: Bytes,
    state: Arc<State>,
    sight: Sight,
    manners: Manners,
    /// Bytes since something of a response last was known to go out.
    written: usize,
}

/// What is seen of what passes.
#[derive(Debug)]
enum Sight {
    Http1(Framing),
    Http2(Frames),
}

/// Whether the client behaves.
#[derive(Debug)]
enum Manners {
    Good,
    /// It is about to be told why the connection ends.
    Bad(Abuse),
    /// It has been told: what it sends is thrown away, for a connection closed with bytes unread would be reset.
    Ended,
}

impl Io {
    pub(crate) fn new(transport: Transport, first: Bytes, state: Arc<State>) -> Self {
        let sight = if state.http2 {
            Sight::Http2(Frames::after(PREFACE.len()))
        } else {
            Sight::Http1(Framing::default())
        };
        let mut io = Self { transport, first, state, sight, manners: Manners::Good, written: 0 };
        see(&mut io.sight, &mut io.manners, &mut io.written, &io.state, &io.first);
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

fn see(sight: &mut Sight, manners: &mut Manners, written: &mut usize, state: &State, bytes: &[u8]) {
    if bytes.is_empty() {
        return;
    }
    match sight {
        Sight::Http1(framing) => {
            let misframed = framing.feed(bytes);
            state.read(framing.is_between(), misframed);
        }
        Sight::Http2(frames) => {
            state.read(true, None);
            // A piece of a body is taken from its response at once, and may go out for a long time.
            let sent = |answers: usize| {
                let sent = state.take_sent() || *written > answers.saturating_add(OUR_OWN);
                if sent {
                    *written = 0;
                }
                sent
            };
            if let Err(abuse) = frames.feed(bytes, state.common.config.ping_policy(), sent) {
                *manners = Manners::Bad(abuse);
                state.end_soon();
            }
        }
    }
}

impl Io {
    /// Tells the client why the connection ends, if there is room, and hears it out.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let (Manners::Bad(abuse), Sight::Http2(frames)) = (&self.manners, &self.sight) {
            tracing::debug!("{}: {abuse:?} without end", self.state.connection.peer);
            // Where nothing is blocked, all that h2 wrote has gone, so this stands between two frames.
            if !self.state.is_write_blocked() {
                let _ = self.transport.poll_write(cx, &frames.goaway(*abuse));
                let _ = self.transport.poll_flush(cx);
            }
            let _ = self.transport.poll_shutdown(cx);
            self.manners = Manners::Ended;
        }
        let mut waste = [0; 4096];
        while ready!(self.transport.poll_read(cx, &mut waste))? > 0 {}
        Poll::Ready(Ok(()))
    }

    fn wrote(&mut self, written: &Poll<io::Result<usize>>) {
        self.state.wrote(written.is_pending());
        if let Poll::Ready(Ok(bytes)) = written {
            self.written = self.written.saturating_add(*bytes);
        }
    }

    fn has_ended(&self) -> bool {
        matches!(self.manners, Manners::Ended)
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
        if !matches!(this.manners, Manners::Good) {
            return this.poll_end(cx);
        }
        let (sight, manners, state) = (&mut this.sight, &mut this.manners, &this.state);
        let written = &mut this.written;
        this.transport.poll_read_seen(cx, buffer, |bytes| see(sight, manners, written, state, bytes))
    }
}

impl Write for Io {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.has_ended() {
            return Poll::Ready(Ok(bytes.len()));
        }
        let written = self.transport.poll_write(cx, bytes);
        self.wrote(&written);
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.has_ended() {
            return Poll::Ready(Ok(slices.iter().map(|slice| slice.len()).sum()));
        }
        let long = slices.iter().map(|slice| slice.len()).sum::<usize>() >= FULL_FRAME;
        let written = match self.sight {
            Sight::Http2(_) if long => self.transport.poll_write_more(cx, slices),
            _ => self.transport.poll_write_vectored(cx, slices),
        };
        self.wrote(&written);
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
