//! The exchange under test, and what is known of it from outside.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use http_body::{Body as _, Frame};
use narthex_pyrt::{Outcome, Runtime, Wait as _};
use narthex_wire::{Body, BoxError};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

use super::fed::Fed;
use super::{LARGEST, Step};
use crate::app::Interface;
use crate::error::ClientDisconnected;
use crate::exchange::{Exchange, HIGH_WATER, Inbound, PIECE_COST};
use crate::message::{Head, Outgoing};
use crate::receive::{PIECE, Receive};
use crate::send::{Drained, Sent, send};
use crate::service::ResponseFuture;

#[derive(Default)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Clean,
    Cut,
}

/// The body of an answer in the application's stead.
fn told(status: StatusCode) -> &'static str {
    match status {
        StatusCode::BAD_REQUEST => "Bad Request",
        StatusCode::PAYLOAD_TOO_LARGE => "Content Too Large",
        _ => "Internal Server Error",
    }
}

/// The exchange under test, and what is known of it from outside.
#[expect(clippy::struct_excessive_bools, reason = "what has happened so far, each independent of the others")]
pub(super) struct World<'py> {
    py: Python<'py>,
    pub(super) exchange: Arc<Exchange>,
    method: Method,
    feed: Fed,
    // The connection's side.
    future: Option<ResponseFuture>,
    body: Option<Body>,
    status: Option<StatusCode>,
    taken: Vec<u8>,
    end: Option<End>,
    /// Set once what was asked for in vain is worth asking for again.
    asked: Option<Arc<Flag>>,
    left: bool,
    // The application's side.
    started: Option<(StatusCode, Option<u64>)>,
    accepted: Vec<u8>,
    pieces: usize,
    pub(super) waits: bool,
    complete: bool,
    /// What answers in the application's stead, if nothing of its own has gone out.
    failed: Option<StatusCode>,
    gone: bool,
    // The request's body.
    max_body: Option<u64>,
    uploaded: Vec<u8>,
    /// What a client is told whose body cannot be received whole.
    refusal: Option<StatusCode>,
    received: Vec<u8>,
    received_end: bool,
}

impl<'py> World<'py> {
    pub(super) fn new(
        py: Python<'py>,
        runtime: &Arc<Runtime>,
        method: Method,
        max_body: Option<u64>,
    ) -> Self {
        let feed = Fed::default();
        let exchange = Exchange::new(Arc::clone(runtime), Body::new(feed.clone()));
        Self {
            future: Some(ResponseFuture::new(Arc::clone(&exchange), max_body, true)),
            py,
            exchange,
            method,
            feed,
            body: None,
            status: None,
            taken: Vec::new(),
            end: None,
            asked: None,
            left: false,
            started: None,
            accepted: Vec::new(),
            pieces: 0,
            waits: false,
            complete: false,
            failed: None,
            gone: false,
            max_body,
            uploaded: Vec::new(),
            refusal: None,
            received: Vec::new(),
            received_end: false,
        }
    }

    fn over(&self) -> bool {
        self.complete || self.failed.is_some() || self.gone
    }

    /// The request's method or the response's status allows no body.
    fn discards(&self) -> bool {
        self.method == Method::HEAD
            || self.started.is_some_and(|(status, _)| status == StatusCode::NO_CONTENT)
    }

    fn declared(&self) -> Option<usize> {
        let declared = self.started.and_then(|(_, length)| length);
        declared.map(|length| usize::try_from(length).expect("lengths here are short"))
    }

    pub(super) fn take_step(&mut self, step: &Step) {
        match *step {
            Step::Start(status, length) => self.start(status, length),
            Step::Piece(size, more) => self.piece(size, more),
            Step::Receive => self.receive(),
            Step::Return => self.finish(&Outcome::Returned(self.py.None().into_bound(self.py))),
            Step::Cancelled => self.finish(&Outcome::Cancelled),
            Step::Upload(size) => self.upload(size),
            Step::UploadEnds => self.feed.end(None),
            Step::UploadTrailers => self.feed.end(Some(Ok(Frame::trailers(HeaderMap::new())))),
            Step::UploadFails => self.fail_upload(),
            Step::Take => self.take(),
            Step::Leave => self.leave(),
        }
        self.notice();
        assert!(self.accepted.starts_with(&self.taken), "the client got what was not sent");
        assert!(self.uploaded.starts_with(&self.received), "the application got what was not uploaded");
    }

    /// What is held is bounded; and an upload that cannot be received whole may have ended the exchange, nothing else may.
    fn notice(&mut self) {
        let state = self.exchange.lock();
        let held = state.buffered;
        assert!(held <= HIGH_WATER + LARGEST + PIECE_COST, "{held} bytes are held");
        if let Inbound::Open { ahead, .. } = &state.request {
            let read: usize = ahead.iter().map(Bytes::len).sum();
            assert!(read <= PIECE + LARGEST && ahead.iter().all(|piece| !piece.is_empty()), "{ahead:?}");
        }
        if state.is_over() && !self.over() {
            assert!(self.refusal.is_some(), "it ended without a cause");
            self.failed = self.refusal;
        }
    }

    fn start(&mut self, status: StatusCode, length: Option<u64>) {
        let head = Head { status, headers: HeaderMap::new(), content_length: length };
        let sent = send(&self.exchange, &self.method, Outgoing::Start(head));
        if self.over() {
            assert!(sent.unwrap_err().is_instance_of::<ClientDisconnected>(self.py));
        } else if self.started.is_some() {
            assert!(sent.unwrap_err().is_instance_of::<PyRuntimeError>(self.py));
        } else {
            assert_eq!(sent.unwrap(), Sent::Done);
            self.started = Some((status, length));
        }
    }

    fn piece(&mut self, size: usize, more: bool) {
        if self.waits {
            // An application that awaits `send` sends nothing before it may.
            match (Drained { exchange: Arc::clone(&self.exchange) }).poll(self.py, None) {
                None => return,
                Some(_) => self.waits = false,
            }
        }
        let data: Vec<u8> =
            (0..size).map(|index| index.to_le_bytes()[0] ^ self.pieces.to_le_bytes()[0]).collect();
        let message = Outgoing::Body { data: Bytes::from(data.clone()), more };
        let sent = send(&self.exchange, &self.method, message);
        let after = self.accepted.len() + size;
        let misfit = self.declared().is_some_and(|declared| after > declared || (!more && after < declared));
        if self.over() {
            assert!(sent.unwrap_err().is_instance_of::<ClientDisconnected>(self.py));
        } else if self.started.is_none() || (misfit && !self.discards()) {
            assert!(sent.unwrap_err().is_instance_of::<PyRuntimeError>(self.py));
        } else if let Err(error) = sent {
            // Only an endless body that nobody takes is refused.
            assert!(self.discards() && more, "{error}");
            assert!(error.is_instance_of::<ClientDisconnected>(self.py));
            self.gone = true;
        } else {
            self.waits = matches!(sent, Ok(Sent::Wait));
            self.complete = !more;
            self.pieces += 1;
            if !self.discards() {
                self.accepted.extend(data);
            }
        }
    }

    fn receive(&mut self) {
        let source = Receive { exchange: Arc::clone(&self.exchange), max_body: self.max_body };
        let Some(message) = source.poll(self.py, None) else {
            assert!(!self.over(), "an exchange that is over must say so");
            assert!(self.feed.is_drained(), "there was something to receive");
            assert!(!self.feed.has_ended() || self.received_end, "there was an end to receive");
            return;
        };
        let message = message.unwrap().into_bound(self.py);
        let kind: String = message.get_item("type").unwrap().extract().unwrap();
        if kind == "http.disconnect" {
            self.notice();
            let delivered = self.exchange.lock().delivered;
            assert!(self.over() || delivered, "nobody has left");
            return;
        }
        assert_eq!(kind, "http.request");
        assert!(!self.over() && !self.received_end);
        let data: Vec<u8> = message.get_item("body").unwrap().extract().unwrap();
        self.received.extend(data);
        assert!(
            self.max_body.is_none_or(|limit| self.received.len() as u64 <= limit),
            "more than is allowed"
        );
        self.received_end = !message.get_item("more_body").unwrap().extract::<bool>().unwrap();
        let whole = self.refusal.is_none() && self.received == self.uploaded;
        assert!(!self.received_end || whole, "an end before the end");
    }

    /// Something of ours has ended the exchange in the application's stead.
    pub(super) fn failed(&mut self, status: StatusCode) {
        self.failed = Some(status);
    }

    fn finish(&mut self, outcome: &Outcome<'_>) {
        self.exchange.finished(self.py, Interface::Asgi, outcome);
        if !self.over() {
            self.failed = Some(StatusCode::INTERNAL_SERVER_ERROR);
        }
    }

    fn upload(&mut self, size: usize) {
        if self.feed.has_ended() {
            return;
        }
        let piece = vec![size.to_le_bytes()[0]; size];
        self.uploaded.extend(&piece);
        if self.max_body.is_some_and(|limit| self.uploaded.len() as u64 > limit) {
            self.refusal.get_or_insert(StatusCode::PAYLOAD_TOO_LARGE);
        }
        self.feed.put(piece);
    }

    fn fail_upload(&mut self) {
        if !self.feed.has_ended() {
            self.refusal.get_or_insert(StatusCode::BAD_REQUEST);
            self.feed.end(Some(Err("the upload broke off")));
        }
    }

    fn take(&mut self) {
        let flag = Arc::new(Flag::default());
        let waker = Waker::from(Arc::clone(&flag));
        let mut cx = Context::from_waker(&waker);
        let ready = if let Some(future) = &mut self.future {
            match Pin::new(future).poll(&mut cx) {
                Poll::Ready(Ok(response)) => {
                    self.future = None;
                    self.status = Some(response.status());
                    self.body = Some(response.into_body());
                    true
                }
                Poll::Pending => false,
            }
        } else if let Some(body) = &mut self.body {
            match Pin::new(body).poll_frame(&mut cx) {
                Poll::Ready(frame) => {
                    self.took(frame);
                    true
                }
                Poll::Pending => false,
            }
        } else {
            return;
        };
        let earlier = self.asked.take();
        if ready {
            let told = earlier.is_none_or(|earlier| earlier.0.load(Ordering::SeqCst));
            assert!(told, "what came was not told to whom had asked for it");
        } else {
            self.asked = Some(flag);
        }
    }

    fn took(&mut self, frame: Option<Result<Frame<Bytes>, BoxError>>) {
        match frame {
            Some(Ok(frame)) => {
                let data = frame.into_data().unwrap();
                if let Some(status) = self.failed.filter(|_| !self.has_begun()) {
                    assert_eq!(data, told(status));
                } else {
                    self.taken.extend(data);
                }
                return;
            }
            Some(Err(_)) => self.end = Some(End::Cut),
            None => self.end = Some(End::Clean),
        }
        self.body = None;
    }

    /// A piece was accepted, so the head is out.
    fn has_begun(&self) -> bool {
        self.pieces > 0
    }

    fn leave(&mut self) {
        if self.left || self.end.is_some() {
            return;
        }
        self.left = true;
        let streams = self.body.is_some();
        (self.future, self.body, self.asked) = (None, None, None);
        let whole = streams && self.declared() == Some(self.accepted.len()) && self.taken == self.accepted;
        // A response that has no body is with the client once its head is.
        if !(streams && (whole || self.discards())) {
            self.gone |= !(self.complete || self.failed.is_some());
        }
    }

    /// The connection takes all that is there; then the response is what the application made of it.
    pub(super) fn check_response(mut self) {
        if self.left {
            return;
        }
        while self.end.is_none() {
            self.take();
            self.notice();
            if self.asked.as_ref().is_some_and(|flag| !flag.0.load(Ordering::SeqCst)) {
                break;
            }
        }
        if self.failed.is_some() && !self.has_begun() {
            assert_eq!((self.status, self.end), (self.failed, Some(End::Clean)));
        } else if self.has_begun() && self.discards() {
            assert_eq!((self.status, self.end), (self.started.map(|(status, _)| status), Some(End::Clean)));
        } else if self.complete || self.failed.is_some() {
            let end = if self.complete { End::Clean } else { End::Cut };
            assert_eq!((self.status, self.end), (self.started.map(|(status, _)| status), Some(end)));
            assert!(self.taken == self.accepted, "something of the body is missing");
        } else {
            assert_eq!(self.end, None);
            assert_eq!(self.status.is_some(), self.has_begun());
        }
    }
}
