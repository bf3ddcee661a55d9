//! A request's body that a test feeds.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http_body::Frame;
use narthex_wire::BoxError;
use parking_lot::Mutex;

/// One frame of the body, or why there is none.
pub(super) type Fate = Result<Frame<Bytes>, &'static str>;

#[derive(Clone, Default)]
pub(super) struct Fed(Arc<Mutex<Feed>>);

#[derive(Default)]
struct Feed {
    frames: VecDeque<Fate>,
    ended: bool,
    waker: Option<Waker>,
}

impl Fed {
    pub(super) fn put(&self, piece: Vec<u8>) {
        self.change(|feed| feed.frames.push_back(Ok(Frame::data(piece.into()))));
    }

    /// Ends it, after a last frame if there is one. What has ended stays as it is.
    pub(super) fn end(&self, last: Option<Fate>) {
        self.change(|feed| {
            if !std::mem::replace(&mut feed.ended, true) {
                feed.frames.extend(last);
            }
        });
    }

    pub(super) fn has_ended(&self) -> bool {
        self.0.lock().ended
    }

    /// Everything that was put was taken.
    pub(super) fn is_drained(&self) -> bool {
        self.0.lock().frames.is_empty()
    }

    fn change(&self, change: impl FnOnce(&mut Feed)) {
        let mut feed = self.0.lock();
        change(&mut feed);
        let waker = feed.waker.take();
        drop(feed);
        waker.into_iter().for_each(Waker::wake);
    }
}

impl http_body::Body for Fed {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let mut feed = self.0.lock();
        match feed.frames.pop_front() {
            Some(frame) => Poll::Ready(Some(frame.map_err(BoxError::from))),
            None if feed.ended => Poll::Ready(None),
            None => {
                feed.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        let feed = self.0.lock();
        feed.ended && feed.frames.is_empty()
    }
}
