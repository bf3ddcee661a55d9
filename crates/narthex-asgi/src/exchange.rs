//! One HTTP exchange, shared by Python's `receive` and `send` and by the response that the connection writes.
//!
//! One short lock guards it, held neither across a call into Python nor across a wait. Wakers are woken after it is
//! released, except inside the request body, whose connection never takes this lock.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Wake, Waker};
use std::time::Duration;

use bytes::Bytes;
use http::{Response, StatusCode};
use narthex_pyrt::{Outcome, Receivers, Runtime, TaskHandle, Waiting};
use narthex_wire::Body;
use parking_lot::{Mutex, MutexGuard};
use pyo3::Python;

use crate::app::Interface;
use crate::body::ResponseBody;
use crate::error::{Departure, answer};
use crate::hold::Hold;
use crate::message::Head;

/// Above this many bytes the application's `send` waits for the connection.
pub(crate) const HIGH_WATER: usize = 256 * 1024;
/// At this many it goes on.
pub(crate) const LOW_WATER: usize = HIGH_WATER / 2;

/// What holding a piece costs beside its bytes, about; so that many small ones are bounded as well.
pub(crate) const PIECE_COST: usize = 64;

pub(crate) struct Exchange {
    pub(crate) runtime: Arc<Runtime>,
    state: Mutex<State>,
}

pub(crate) struct State {
    pub(crate) request: Inbound,
    pub(crate) response: Outbound,
    /// Nobody waits for the response any more.
    pub(crate) client_gone: bool,
    /// `send` waits meanwhile: who listens was told first.
    pub(crate) held: bool,
    /// The response is where it should be, though the application has not said that it ends: its declared length is reached,
    /// or it has no body. Nobody will tell when the client leaves, so `receive` says at once that nobody listens.
    pub(crate) delivered: bool,
    /// Bytes of request body seen, held against the limit.
    pub(crate) received: u64,
    /// The response or its body waits here for the application.
    pub(crate) outlet: Option<Waker>,
    /// Finished pieces for the connection: the response itself, then its body.
    pub(crate) ready: Option<Answer>,
    pub(crate) chunks: VecDeque<Bytes>,
    pub(crate) buffered: usize,
    /// `receive` and `send` wait here.
    pub(crate) receivers: Option<Arc<Receivers>>,
    pub(crate) senders: Waiting,
    /// The application's call, until it has ended; only where there is a time limit for it after its client's departure.
    call: Option<Abandonable>,
}

/// A call of the application that is not to go on for long once nobody waits for its response.
pub(crate) struct Abandonable {
    pub(crate) task: TaskHandle,
    pub(crate) grace: Duration,
}

/// A response for the connection.
pub(crate) enum Answer {
    Whole(Response<Body>),
    /// The body's pieces follow in the exchange. The body that takes them is made where this lock is not held.
    Streamed(Response<()>),
}

/// The request's body as `receive` sees it.
pub(crate) enum Inbound {
    /// More may come; `ahead` was read before the application asked.
    Open { body: Body, ahead: VecDeque<Bytes> },
    /// All of it was handed over.
    Ended,
}

/// How far the application's response is.
pub(crate) enum Outbound {
    /// No `http.response.start` yet.
    Unstarted,
    /// The head is held back until the first piece of the body, so that a crash in between is still a 500.
    Started(Head),
    /// The head is out; `remaining` of a declared content-length may still come, `discard` drops a body that the request or
    /// status does not allow.
    Streaming { remaining: Option<u64>, discard: bool },
    /// The last piece was given.
    Complete,
    /// Given up after the head was out: the connection must not end it cleanly.
    Aborted,
}

impl Exchange {
    pub(crate) fn new(runtime: Arc<Runtime>, body: Body) -> Arc<Self> {
        Arc::new(Self {
            runtime,
            state: Mutex::new(State {
                request: Inbound::Open { body, ahead: VecDeque::new() },
                response: Outbound::Unstarted,
                client_gone: false,
                held: false,
                delivered: false,
                received: 0,
                outlet: None,
                ready: None,
                chunks: VecDeque::new(),
                buffered: 0,
                receivers: None,
                senders: Waiting::default(),
                call: None,
            }),
        })
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// The connection dropped the response: the application gets `http.disconnect`, and `OSError` from `send`.
    pub(crate) fn client_gone(self: &Arc<Self>) {
        let mut state = self.lock();
        if matches!(state.response, Outbound::Complete) && state.chunks.is_empty() && state.ready.is_none() {
            return;
        }
        state.client_gone = true;
        let dropped = (
            std::mem::take(&mut state.chunks),
            state.ready.take(),
            std::mem::replace(&mut state.request, Inbound::Ended),
        );
        let receivers = state.receivers.clone();
        state.held = receivers.as_ref().is_some_and(|receivers| receivers.has_coroutines());
        let held = state.held;
        let senders = if held { Waiting::default() } else { state.senders.take() };
        let grace = state.call.as_ref().map(|call| call.grace);
        drop(state);
        drop(dropped);
        receivers.into_iter().for_each(Wake::wake);
        senders.wake();
        if held {
            self.runtime.push(Hold(Arc::downgrade(self)));
        }
        if let Some(grace) = grace {
            self.cancel_after(grace);
        }
    }

    /// `send` tells of the client's departure from now on.
    pub(crate) fn release(&self) {
        let mut state = self.lock();
        state.held = false;
        let senders = state.senders.take();
        drop(state);
        senders.wake();
    }

    /// The application goes on, and has a time limit after its client's departure.
    pub(crate) fn keep(self: &Arc<Self>, call: Abandonable) {
        let grace = call.grace;
        let mut state = self.lock();
        state.call = Some(call);
        // While it was called for the first time.
        let gone = state.client_gone;
        drop(state);
        if gone {
            self.cancel_after(grace);
        }
    }

    /// Cancels the call after `grace`, unless it or its response is complete by then.
    fn cancel_after(self: &Arc<Self>, grace: Duration) {
        let exchange = Arc::downgrade(self);
        let sleep = self.runtime.reactor().sleep(grace);
        let cancel = async move {
            sleep.await;
            let Some(exchange) = exchange.upgrade() else { return };
            let mut state = exchange.lock();
            let call = if matches!(state.response, Outbound::Complete) { None } else { state.call.take() };
            drop(state);
            if let Some(call) = call {
                tracing::info!("the client left {grace:?} ago and the application goes on: it is cancelled");
                call.task.cancel_soon(&exchange.runtime);
            }
        };
        self.runtime.reactor().spawn(cancel).detach();
    }

    /// The connection dropped the response's body before its end. Where a length was declared and is reached, that is no
    /// departure: HTTP/1 has no use for the body's end then.
    pub(crate) fn body_dropped(self: &Arc<Self>) {
        let mut state = self.lock();
        if !matches!(state.response, Outbound::Streaming { remaining: Some(0), .. })
            || !state.chunks.is_empty()
        {
            drop(state);
            return self.client_gone();
        }
        state.delivered = true;
        let (receivers, senders) = (state.receivers.clone(), state.senders.take());
        drop(state);
        receivers.into_iter().for_each(Wake::wake);
        senders.wake();
    }

    /// Answers in the application's stead, or cuts the stream where its head is out already.
    pub(crate) fn fail(&self, status: StatusCode, text: &'static str) {
        let mut state = self.lock();
        match state.response {
            Outbound::Unstarted | Outbound::Started(_) => {
                let open = state.request.is_open();
                state.ready = Some(Answer::Whole(answer(status, text, open)));
                state.response = Outbound::Complete;
            }
            Outbound::Streaming { .. } => state.response = Outbound::Aborted,
            Outbound::Complete | Outbound::Aborted => return,
        }
        let (receivers, senders) = (state.receivers.clone(), state.senders.take());
        let outlet = state.outlet.take();
        drop(state);
        outlet.into_iter().for_each(Waker::wake);
        receivers.into_iter().for_each(Wake::wake);
        senders.wake();
    }

    /// The application returned, raised or was cancelled.
    pub(crate) fn finished(&self, py: Python<'_>, interface: Interface, outcome: &Outcome<'_>) {
        let (over, complete, gone, call) = {
            let mut state = self.lock();
            let complete = matches!(state.response, Outbound::Complete);
            (state.is_over(), complete, state.client_gone, state.call.take())
        };
        drop(call);
        match outcome {
            Outcome::Raised(error) => match Departure::of(py, error) {
                Departure::Is => tracing::debug!("the client left before the application was done"),
                // As Starlette does; whatever else this may be, it would not have happened to a client that stays.
                Departure::Led if gone => tracing::info!(
                    "the client left before the application was done, which raised {}",
                    narthex_pyrt::exception_text(py, error)
                ),
                Departure::Led | Departure::No => {
                    let message = match interface {
                        Interface::Asgi => "Exception in ASGI application",
                        Interface::Wsgi => "Exception in WSGI application",
                    };
                    narthex_pyrt::log_exception(py, message, error);
                }
            },
            Outcome::Returned(_) if !over => {
                tracing::error!(target: "narthex::error", "the ASGI application returned without completing its response");
            }
            Outcome::Cancelled if !over => {
                tracing::error!(target: "narthex::error", "the ASGI application was cancelled before its response was complete");
            }
            Outcome::Returned(_) | Outcome::Cancelled => {}
        }
        if !complete {
            self.fail(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error");
        }
    }
}

impl Inbound {
    pub(crate) fn is_open(&self) -> bool {
        match self {
            Self::Open { body, .. } => !http_body::Body::is_end_stream(body),
            Self::Ended => false,
        }
    }
}

impl State {
    /// `receive` has nothing but `http.disconnect` to say.
    pub(crate) fn is_over(&self) -> bool {
        self.client_gone || matches!(self.response, Outbound::Complete | Outbound::Aborted)
    }

    /// Hands the response to the connection, with a whole body or (`None`) one that follows piece by piece.
    pub(crate) fn respond(&mut self, head: Head, body: Option<Body>) {
        let mut response = Response::new(());
        *response.status_mut() = head.status;
        *response.headers_mut() = head.headers;
        self.ready = Some(match body {
            Some(body) => Answer::Whole(response.map(|()| body)),
            None => Answer::Streamed(response),
        });
    }
}

impl Answer {
    /// The response of `exchange`, whose lock must not be held.
    pub(crate) fn into_response(self, exchange: &Arc<Exchange>) -> Response<Body> {
        match self {
            Self::Whole(response) => response,
            Self::Streamed(head) => head.map(|()| Body::new(ResponseBody::new(Arc::clone(exchange)))),
        }
    }
}
