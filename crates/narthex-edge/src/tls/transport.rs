//! A connection's bytes, whether or not TLS is between them and the socket.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use hyper::rt::ReadBufCursor;
use narthex_reactor::net::Stream;
use tokio::io::{AsyncBufRead as _, AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::server::TlsStream;

/// A socket, or TLS on one.
#[derive(Debug)]
pub(crate) enum Transport {
    Plain(Arc<Stream>),
    // Boxed: a session is large, and most connections have none.
    Tls(Box<TlsStream<Raw>>),
}

impl Transport {
    /// Reads as hyper does, and shows what was read to `see` before hyper gets it.
    pub(crate) fn poll_read_seen(
        &mut self,
        cx: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
        see: impl FnOnce(&[u8]),
    ) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(stream) => stream.poll_read_seen(cx, buffer, see),
            Self::Tls(stream) => {
                let read = ready!(Pin::new(&mut **stream).poll_fill_buf(cx))?;
                let some = read.len().min(buffer.remaining());
                see(&read[..some]);
                buffer.put_slice(&read[..some]);
                Pin::new(&mut **stream).consume(some);
                Poll::Ready(Ok(()))
            }
        }
    }

    /// Reads some; 0 is the end.
    pub(crate) fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(stream) => stream.poll_read_initialized(cx, buffer),
            Self::Tls(stream) => {
                let mut buffer = ReadBuf::new(buffer);
                ready!(Pin::new(&mut **stream).poll_read(cx, &mut buffer))?;
                Poll::Ready(Ok(buffer.filled().len()))
            }
        }
    }

    /// Reads some; 0 is the end.
    pub(crate) async fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        poll_fn(|cx| self.poll_read(cx, buffer)).await
    }

    pub(crate) fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(stream) => stream.poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_write(cx, bytes),
        }
    }

    pub(crate) fn poll_write_vectored(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(stream) => stream.poll_write_vectored(cx, slices),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_write_vectored(cx, slices),
        }
    }

    /// Writes what is likely to be followed by more; see [`Stream::poll_write_more`].
    pub(crate) fn poll_write_more(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(stream) => stream.poll_write_more(cx, slices),
            Self::Tls(_) => self.poll_write_vectored(cx, slices),
        }
    }

    /// What has to be pushed when nothing follows.
    pub(crate) fn socket(&self) -> Option<Arc<Stream>> {
        match self {
            Self::Plain(stream) => Some(Arc::clone(stream)),
            Self::Tls(_) => None,
        }
    }

    /// Ready when all that was written is the system's.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(_) => Poll::Ready(Ok(())),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_flush(cx),
        }
    }

    /// Ends our half.
    pub(crate) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(stream) => Poll::Ready(stream.shutdown()),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_shutdown(cx),
        }
    }

    /// Lets the connection end with a reset when it is dropped. TLS tells its own end from any other.
    pub(crate) fn reset_when_closed(&self) {
        if let Self::Plain(stream) = self {
            stream.reset_when_closed();
        }
    }
}

/// A socket as tokio-rustls sees it.
#[derive(Debug)]
pub(crate) struct Raw {
    stream: Stream,
    /// Read already.
    first: Bytes,
}

impl Raw {
    pub(crate) fn new(stream: Stream, first: Bytes) -> Self {
        Self { stream, first }
    }
}

impl AsyncRead for Raw {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.first.is_empty() {
            let some = self.first.len().min(buffer.remaining());
            buffer.put_slice(&self.first[..some]);
            self.first.advance(some);
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Raw {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        AsyncWrite::poll_write(Pin::new(&mut self.stream), cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        AsyncWrite::poll_write_vectored(Pin::new(&mut self.stream), cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        AsyncWrite::is_write_vectored(&self.stream)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        AsyncWrite::poll_flush(Pin::new(&mut self.stream), cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        AsyncWrite::poll_shutdown(Pin::new(&mut self.stream), cx)
    }
}
