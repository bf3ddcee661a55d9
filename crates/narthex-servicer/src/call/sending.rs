//! Messages of a handler on their way to the call's response: compressed, limited, and held back while there is no room.

use std::sync::Arc;
use std::task::{Poll, Waker};

use bytes::Bytes;
use narthex_pyrt::{Waiter, share};
use narthex_wire::encoding::Accepted;
use narthex_wire::{Encoding, Status, envelope, names};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::outgoing::Outgoing;
use super::{Call, Draft, Progress};

/// Who waits for room.
#[derive(Clone, Copy)]
pub(crate) enum Waiting<'a> {
    Nobody,
    Coroutine(&'a Arc<Waiter>),
    Thread(&'a Waker),
}

impl Call {
    /// What this call's messages are compressed with from here on, if that is enabled and its client can read it.
    pub(crate) fn compress(&self, encoding: Encoding) {
        let accepted = encoding == Encoding::Identity
            || (self.host.options.enabled.contains(encoding)
                && Accepted::from_headers(&self.head.headers, &names::GRPC_ACCEPT_ENCODING)
                    .contains(encoding));
        let encoding = if accepted { encoding } else { Encoding::Identity };
        self.with_draft(|draft| draft.set_encoding(encoding));
    }

    /// The only message in its envelope; `None` for a large one, which goes out as those of a stream do, without being copied.
    ///
    /// # Errors
    ///
    /// `RESOURCE_EXHAUSTED` for one that is larger than messages may be.
    pub(crate) fn seal(&self, message: &Bound<'_, PyBytes>) -> Result<Option<Bytes>, Status> {
        let bytes = message.as_bytes();
        self.check_size(bytes.len())?;
        let encoding = self.with_draft(Draft::next_encoding);
        if encoding == Encoding::Identity && Outgoing::is_alone(bytes) {
            self.state.lock().outgoing.push(bytes, || share(message));
            return Ok(None);
        }
        Ok(Some(envelope::encode_compressed(encoding, bytes)))
    }

    /// Sends one message of a stream; whether the next may follow at once. Otherwise the handler waits for
    /// [room](Self::poll_room).
    pub(crate) fn send(self: &Arc<Self>, message: &Bound<'_, PyBytes>) -> bool {
        let bytes = message.as_bytes();
        if let Err(status) = self.check_size(bytes.len()) {
            self.fail(status);
            return false;
        }
        let mut state = self.state.lock();
        let encoding = state.draft.next_encoding();
        if encoding == Encoding::Identity {
            state.outgoing.push(bytes, || share(message));
        } else {
            drop(state);
            let envelope = envelope::encode_compressed(encoding, bytes);
            state = self.state.lock();
            state.outgoing.push_envelope(envelope);
        }
        state.draft.begin();
        let goes_on = state.progress == Progress::Open && state.outgoing.has_room();
        let waker = state.waker.take();
        drop(state);
        waker.into_iter().for_each(Waker::wake);
        goes_on
    }

    fn check_size(&self, len: usize) -> Result<(), Status> {
        match self.host.options.max_send_message {
            Some(limit) if len > limit => {
                Err(Status::resource_exhausted(format!("Sent message larger than max ({len} vs. {limit})")))
            }
            _ => Ok(()),
        }
    }

    /// Where the call stands once there is room for another message, or none is needed any more.
    pub(crate) fn poll_room(&self, waiting: Waiting<'_>) -> Poll<Progress> {
        let mut state = self.state.lock();
        if state.outgoing.has_room() || state.progress != Progress::Open {
            return Poll::Ready(state.progress);
        }
        match waiting {
            Waiting::Nobody => {}
            Waiting::Coroutine(waiter) => state.outgoing.wait(waiter),
            Waiting::Thread(waker) => state.outgoing.block(waker),
        }
        Poll::Pending
    }
}
