//! Bodies where hyper's meet ours: a request's with its timeout, a response's with what its exchange holds until it ends.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use narthex_reactor::Sleep;
use narthex_wire::{Body, BoxError};

use crate::piece::{Piece, Pieces};
use crate::rest::{self, Rest};
use crate::state::{Fault, InFlight, State};

/// A request's body; one that is empty, as most are, costs nothing.
pub(crate) fn request(incoming: Incoming, exchange: &InFlight) -> Body {
    if incoming.is_end_stream() {
        return Body::empty();
    }
    Body::new(RequestBody {
        incoming: Some(incoming),
        state: Arc::clone(&exchange.state),
        number: exchange.number,
        rest: exchange.rest.clone(),
        sleep: None,
        waiting: false,
    })
}

/// Why a request's body ended before its end.
#[derive(Debug)]
pub enum BodyError {
    /// Nothing of it came for the body timeout.
    Stalled,
    /// The client is gone, has reset the stream, or sent something malformed.
    Broken(hyper::Error),
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stalled => "nothing of the request's body came for the body timeout",
            Self::Broken(_) => "the client is gone or sent a malformed body",
        })
    }
}

impl std::error::Error for BodyError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Stalled => None,
            Self::Broken(error) => Some(error),
        }
    }
}

struct RequestBody {
    /// None once it has ended, well or not.
    incoming: Option<Incoming>,
    state: Arc<State>,
    number: u64,
    /// HTTP/2 only.
    rest: Option<Arc<Rest>>,
    /// Runs while the service waits for more.
    sleep: Option<Sleep>,
    waiting: bool,
}

impl RequestBody {
    fn stalled(&mut self, cx: &mut Context<'_>) -> bool {
        if self.rest.as_ref().map_or_else(|| self.state.may_pause(), |rest| rest.may_pause()) {
            return false;
        }
        let common = &self.state.common;
        if !self.waiting {
            self.waiting = true;
            let fresh = common.reactor.sleep(common.config.body_timeout);
            match &mut self.sleep {
                Some(sleep) => sleep.reset(fresh.deadline()),
                None => self.sleep = Some(fresh),
            }
        }
        self.sleep.as_mut().is_some_and(|sleep| Pin::new(sleep).poll(cx).is_ready())
    }

    fn broken(&mut self, error: hyper::Error) -> BodyError {
        self.incoming = None;
        // An HTTP/2 stream whose body breaks is reset already.
        if !self.state.http2 {
            self.state.fail(self.number, Fault::Malformed);
        }
        BodyError::Broken(error)
    }

    /// Nobody reads on.
    fn give_up(&mut self) {
        let Some(incoming) = self.incoming.take() else { return };
        if incoming.is_end_stream() {
            return;
        }
        match &self.rest {
            Some(rest) => rest::let_end(incoming, rest, &self.state),
            None => self.state.give_up(),
        }
    }
}

impl HttpBody for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        let Some(incoming) = &mut this.incoming else { return Poll::Ready(None) };
        match Pin::new(&mut *incoming).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                this.waiting = false;
                if incoming.is_end_stream() {
                    this.state.read_all();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(this.broken(error)))),
            Poll::Ready(None) => {
                this.incoming = None;
                this.state.read_all();
                Poll::Ready(None)
            }
            Poll::Pending if this.stalled(cx) => {
                this.state.fail(this.number, Fault::Stalled);
                this.give_up();
                Poll::Ready(Some(Err(BodyError::Stalled)))
            }
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.as_ref().map_or_else(|| SizeHint::with_exact(0), HttpBody::size_hint)
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        self.give_up();
    }
}

/// A response's body as hyper gets it.
#[derive(Debug)]
pub(crate) struct ResponseBody {
    kind: Kind,
    /// What it has failed with, until the client can be told.
    failed: Option<BoxError>,
    /// Made with the first piece of a body that may fail.
    pieces: Option<Arc<Pieces>>,
    /// Only the connection's end says where it ends.
    open_ended: bool,
    /// All of it has been taken.
    ended: bool,
    /// The exchange is in flight as long as hyper has its body.
    exchange: InFlight,
}

#[derive(Debug)]
pub(crate) enum Kind {
    Body(Body),
    /// Nothing, but of unknown length until polled: hyper then writes a Content-Length that is not this body's (a 304's).
    Withheld,
}

impl ResponseBody {
    pub(crate) fn new(kind: Kind, exchange: InFlight) -> Self {
        Self { kind, failed: None, pieces: None, open_ended: false, ended: false, exchange }
    }

    /// The body of a response to HTTP/1.0 without a length.
    pub(crate) fn open_ended(body: Body, exchange: InFlight) -> Self {
        exchange.state.set_open_ended(true);
        Self { open_ended: true, ..Self::new(Kind::Body(body), exchange) }
    }

    /// The client is not to see the end yet.
    fn is_held(&self) -> bool {
        self.exchange.rest.as_ref().is_some_and(|rest| rest.is_coming())
    }

    /// Ends when the client may see it.
    fn end(&mut self, cx: &Context<'_>) -> Poll<Option<Result<Frame<Piece>, BoxError>>> {
        self.ended = true;
        match &self.exchange.rest {
            Some(rest) => rest.poll_over(cx).map(|()| None),
            None => Poll::Ready(None),
        }
    }

    fn piece(&mut self, bytes: Bytes) -> Piece {
        match &self.kind {
            Kind::Body(body) if !body.is_buffered() => self.pieces.get_or_insert_default().piece(bytes),
            _ => bytes.into(),
        }
    }

    /// Tells of the failure when what came before it has been written.
    fn fail(&mut self, cx: &Context<'_>) -> Poll<Option<Result<Frame<Piece>, BoxError>>> {
        if let Some(pieces) = &self.pieces {
            ready!(pieces.poll_out(cx));
        }
        Poll::Ready(self.failed.take().map(Err))
    }
}

impl HttpBody for ResponseBody {
    type Data = Piece;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Piece>, BoxError>>> {
        let this = &mut *self;
        if this.failed.is_some() {
            return this.fail(cx);
        }
        if this.ended {
            return this.end(cx);
        }
        let Kind::Body(body) = &mut this.kind else { return Poll::Ready(None) };
        match ready!(Pin::new(body).poll_frame(cx)) {
            Some(Err(error)) => {
                this.failed = Some(error);
                // The head, at least, goes out in between.
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            frame => {
                let frame = frame.and_then(Result::ok);
                if this.open_ended && (frame.as_ref().is_none_or(Frame::is_trailers) || this.is_end_stream())
                {
                    this.exchange.state.set_open_ended(false);
                }
                this.exchange.state.sent();
                match frame {
                    Some(frame) => Poll::Ready(Some(Ok(frame.map_data(|bytes| this.piece(bytes))))),
                    None => this.end(cx),
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Body(body) => self.failed.is_none() && body.is_end_stream() && !self.is_held(),
            Kind::Withheld => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            // hyper would write a length of a body that there must not be.
            Kind::Body(body) if body.is_end_stream() && self.is_held() => SizeHint::default(),
            Kind::Body(body) => body.size_hint(),
            Kind::Withheld => SizeHint::default(),
        }
    }
}
