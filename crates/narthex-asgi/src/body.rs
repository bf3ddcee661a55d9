//! The body of a response that the application streams.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use narthex_pyrt::Waiting;
use narthex_wire::BoxError;

use crate::exchange::{Exchange, LOW_WATER, Outbound, PIECE_COST};

/// Takes the pieces that `send` left in the exchange. Dropped before its end it tells the application that the client is gone.
pub(crate) struct ResponseBody {
    exchange: Arc<Exchange>,
    ended: bool,
}

/// The application failed after its response had begun; the connection is cut, so that nobody takes it for complete.
#[derive(Debug)]
struct Aborted;

impl std::fmt::Display for Aborted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the application failed after its response had begun")
    }
}

impl std::error::Error for Aborted {}

impl ResponseBody {
    pub(crate) fn new(exchange: Arc<Exchange>) -> Self {
        Self { exchange, ended: false }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let mut state = self.exchange.lock();
        if let Some(chunk) = state.chunks.pop_front() {
            state.buffered -= chunk.len() + PIECE_COST;
            let senders = if state.buffered <= LOW_WATER { state.senders.take() } else { Waiting::default() };
            drop(state);
            senders.wake();
            return Poll::Ready(Some(Ok(Frame::data(chunk))));
        }
        match state.response {
            Outbound::Complete => {
                drop(state);
                self.ended = true;
                Poll::Ready(None)
            }
            Outbound::Aborted => {
                drop(state);
                self.ended = true;
                Poll::Ready(Some(Err(Box::new(Aborted))))
            }
            _ => {
                state.outlet = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        let state = self.exchange.lock();
        state.chunks.is_empty() && matches!(state.response, Outbound::Complete)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

impl Drop for ResponseBody {
    fn drop(&mut self) {
        if !self.ended {
            self.exchange.body_dropped();
        }
    }
}
