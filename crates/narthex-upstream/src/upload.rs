//! The messages of a call on their way to the upstream.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use h2::{Reason, SendStream};
use http_body::Body as _;
use narthex_reactor::{Reactor, Task};
use narthex_wire::{Body, Status};

/// What is sent.
#[derive(Debug)]
pub(crate) enum Upload {
    /// In memory, so that it can be sent again.
    Whole(Bytes),
    /// As it comes; `None` once it is under way.
    Stream(Option<Body>),
}

impl Upload {
    pub(crate) fn of(body: Body) -> Self {
        match body.into_buffered() {
            Ok(collected) => Self::Whole(collected.data),
            Err(body) => Self::Stream(Some(body)),
        }
    }

    /// Whether nothing of it is gone yet.
    pub(crate) const fn is_there(&self) -> bool {
        matches!(self, Self::Whole(_) | Self::Stream(Some(_)))
    }

    /// Whether there is nothing to send at all.
    pub(crate) const fn is_empty(&self) -> bool {
        matches!(self, Self::Whole(data) if data.is_empty())
    }

    /// Sends it. What is in memory is h2's from now on; a stream is read by a task of its own, when the upstream has room for
    /// it, whatever becomes of the answer meanwhile.
    pub(crate) fn start(&mut self, mut send: SendStream<Bytes>, reactor: &Reactor) -> Uploading {
        match self {
            Self::Whole(data) => {
                if !data.is_empty() {
                    // A stream that is reset already says so by its answer.
                    let _ = send.send_data(data.clone(), true);
                }
                Uploading(None)
            }
            Self::Stream(body) => Uploading(body.take().map(|body| reactor.spawn(forward(body, send)))),
        }
    }
}

/// An upload that is under way. Dropped, it ends, and its stream is reset unless it is complete.
#[derive(Debug)]
pub(crate) struct Uploading(Option<Task<Result<(), Status>>>);

impl Uploading {
    /// Ready if the call cannot go on, with what its caller is told.
    pub(crate) fn poll_failed(&mut self, cx: &mut Context<'_>) -> Poll<Status> {
        if let Some(task) = &mut self.0
            && let Poll::Ready(sent) = Pin::new(task).poll(cx)
        {
            self.0 = None;
            if let Err(status) = sent {
                return Poll::Ready(status);
            }
        }
        Poll::Pending
    }
}

/// Fails if the body does; if the upstream takes no more, that is the answer's to tell.
async fn forward(mut body: Body, mut send: SendStream<Bytes>) -> Result<(), Status> {
    while let Some(frame) = body.frame().await {
        match frame.map(http_body::Frame::into_data) {
            Ok(Ok(data)) => {
                let is_last = body.is_end_stream();
                if !send_all(&mut send, data).await {
                    return Ok(());
                }
                if is_last {
                    break;
                }
            }
            // A request of gRPC has no trailers.
            Ok(Err(_)) => {}
            Err(error) => {
                send.send_reset(Reason::CANCEL);
                return Err(Status::from_body_error(error));
            }
        }
    }
    let _ = send.send_data(Bytes::new(), true);
    Ok(())
}

/// Sends this as the upstream makes room; false if it takes no more.
async fn send_all(send: &mut SendStream<Bytes>, mut data: Bytes) -> bool {
    while !data.is_empty() {
        send.reserve_capacity(data.len());
        let Some(Ok(room)) = poll_fn(|cx| send.poll_capacity(cx)).await else { return false };
        let piece = data.split_to(room.min(data.len()));
        if send.send_data(piece, false).is_err() {
            return false;
        }
    }
    true
}
