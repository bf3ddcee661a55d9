//! The messages that a client streams in: read from its connection when the handler asks for the next one, and not before.
//!
//! What is not asked for stays with the client, whom HTTP/2's flow control holds back.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use http_body::Body as _;
use narthex_pyrt::{Receivers, Waiter};
use narthex_wire::envelope::Decoder;
use narthex_wire::{Body, Pieces, Status};
use parking_lot::Mutex;

/// The request's side of a call whose requests stream.
pub(crate) struct Requests {
    reader: Mutex<Reader>,
    /// Coroutines that wait for a message; a synchronous handler waits by a waker of its own thread.
    receivers: Arc<Receivers>,
}

enum Reader {
    Open {
        body: Body,
        decoder: Decoder,
        waiting: Option<Waker>,
    },
    /// The client has sent all there is.
    Ended,
    /// The call is over: nobody is to wait for more.
    Closed,
}

/// What there is to read.
pub(crate) enum Received {
    Message(Pieces),
    /// The client has sent all there is.
    End,
    /// It has sent what cannot be read, or is gone.
    Failed(Status),
    /// The call is over.
    Closed,
}

impl Requests {
    pub(crate) fn new(body: Body, decoder: Decoder) -> Self {
        let reader = Reader::Open { body, decoder, waiting: None };
        Self { reader: Mutex::new(reader), receivers: Arc::default() }
    }

    /// The next message for one of several coroutines, of which this one is about to wait if it brings a waiter.
    pub(crate) fn poll_received(&self, waiter: Option<&Arc<Waiter>>) -> Poll<Received> {
        let Some(waiter) = waiter else { return self.poll_next(Waker::noop()) };
        self.receivers.add(waiter);
        self.poll_next(&Waker::from(Arc::clone(&self.receivers)))
    }

    /// The next message.
    ///
    /// # Cancel safety
    ///
    /// A message that is not there yet is not lost by not polling again.
    pub(crate) fn poll_next(&self, waker: &Waker) -> Poll<Received> {
        let mut reader = self.reader.lock();
        let received = match &mut *reader {
            Reader::Ended => return Poll::Ready(Received::End),
            Reader::Closed => return Poll::Ready(Received::Closed),
            Reader::Open { body, decoder, waiting } => match next(body, decoder, waker) {
                Poll::Pending => {
                    *waiting = Some(waker.clone());
                    return Poll::Pending;
                }
                Poll::Ready(Ok(Some(message))) => return Poll::Ready(Received::Message(message)),
                Poll::Ready(Ok(None)) => Received::End,
                Poll::Ready(Err(status)) => Received::Failed(status),
            },
        };
        let over = match received {
            Received::End => Reader::Ended,
            _ => Reader::Closed,
        };
        let over = std::mem::replace(&mut *reader, over);
        drop(reader);
        over.leave();
        Poll::Ready(received)
    }

    /// Nobody will read on: gives the body up, and has those that wait look again.
    pub(super) fn close(&self) {
        let over = std::mem::replace(&mut *self.reader.lock(), Reader::Closed);
        over.leave();
    }
}

impl Reader {
    /// To be called outside the lock: the body may have something to do when it is dropped.
    fn leave(self) {
        if let Self::Open { body, waiting, .. } = self {
            drop(body);
            waiting.into_iter().for_each(Waker::wake);
        }
    }
}

fn next(body: &mut Body, decoder: &mut Decoder, waker: &Waker) -> Poll<Result<Option<Pieces>, Status>> {
    let mut cx = Context::from_waker(waker);
    loop {
        match decoder.next_pieces() {
            Ok(None) => {}
            found => return Poll::Ready(found),
        }
        match Pin::new(&mut *body).poll_frame(&mut cx) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(None) => return Poll::Ready(decoder.finish().map(|()| None)),
            Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(Status::from_body_error(error))),
            Poll::Ready(Some(Ok(frame))) => {
                if let Ok(data) = frame.into_data() {
                    decoder.push(data);
                }
            }
        }
    }
}
