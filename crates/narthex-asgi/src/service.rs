//! The application as a Tower service.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::header::{CONTENT_LENGTH, EXPECT};
use http::{Request, Response};
use narthex_wire::Body;
use tower_service::Service;

use crate::app::{App, Callable};
use crate::error::answer;
use crate::exchange::Exchange;
use crate::job::CallApp;
use crate::receive::{Ahead, Refused, read_ahead};
use crate::wsgi;

/// Calls the application for each request.
#[derive(Clone, Debug)]
pub struct AppService {
    app: App,
}

impl AppService {
    /// The service of `app`.
    pub fn new(app: App) -> Self {
        Self { app }
    }
}

impl Service<Request<Body>> for AppService {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> ResponseFuture {
        let (head, body) = request.into_parts();
        let max_body = self.app.0.max_body;
        let declared =
            head.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
        if declared.zip(max_body).is_some_and(|(declared, limit)| declared > limit) {
            let Refused(status, text) = Refused::TOO_LARGE;
            let refusal = Some(answer(status, text, true));
            return ResponseFuture {
                exchange: None,
                refusal,
                max_body,
                reads_ahead: false,
                unsized_call: None,
            };
        }
        // A client that waits for 100 Continue gets it when the application asks for the body, not before.
        let reads_ahead = !head.headers.contains_key(EXPECT);
        let length = declared.or_else(|| http_body::Body::size_hint(&body).exact());
        let exchange = Exchange::new(Arc::clone(&self.app.0.runtime), body);
        let mut response = ResponseFuture::new(Arc::clone(&exchange), max_body, reads_ahead);
        match &self.app.0.callable {
            Callable::Asgi(_) => {
                self.app.0.runtime.push(CallApp { app: self.app.clone(), exchange, head: Some(head) });
            }
            Callable::Wsgi(_) => {
                let call = wsgi::Call::new(self.app.clone(), exchange, head);
                if length.is_some() || !reads_ahead {
                    call.submit(length);
                } else {
                    response.unsized_call = Some(call);
                }
            }
        }
        response
    }
}

/// Resolves when the application has sent its head and the first piece of its body, or something answers in its stead.
///
/// # Cancel safety
///
/// Dropping it means that the client is gone: the application gets `http.disconnect`, and is not cancelled,
/// or only after [`AppOptions::close_timeout`](crate::AppOptions::close_timeout).
pub struct ResponseFuture {
    /// Until the response is handed over.
    exchange: Option<Arc<Exchange>>,
    refusal: Option<Response<Body>>,
    max_body: Option<u64>,
    reads_ahead: bool,
    /// A WSGI call that waits for its body's end, or for a piece of it: its environment has to have the length (RFC 3875
    /// 4.1.2), and Django takes a body without for none.
    unsized_call: Option<wsgi::Call>,
}

impl ResponseFuture {
    pub(crate) fn new(exchange: Arc<Exchange>, max_body: Option<u64>, reads_ahead: bool) -> Self {
        Self { exchange: Some(exchange), refusal: None, max_body, reads_ahead, unsized_call: None }
    }
}

impl std::fmt::Debug for ResponseFuture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ResponseFuture").field("done", &self.exchange.is_none()).finish_non_exhaustive()
    }
}

impl Future for ResponseFuture {
    type Output = Result<Response<Body>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        if let Some(refusal) = this.refusal.take() {
            return Poll::Ready(Ok(refusal));
        }
        let Some(exchange) = &this.exchange else { return Poll::Pending };
        let mut state = exchange.lock();
        if let Some(answer) = state.ready.take() {
            drop(state);
            let response = answer.into_response(exchange);
            this.exchange = None;
            return Poll::Ready(Ok(response));
        }
        state.outlet = Some(cx.waker().clone());
        // Until the application is called this task is the body's reader; afterwards `receive` is.
        if !this.reads_ahead || state.receivers.is_some() {
            return Poll::Pending;
        }
        let ahead = read_ahead(&mut state, cx, this.max_body);
        drop(state);
        match ahead {
            Err(Refused(status, text)) => exchange.fail(status, text),
            Ok(Ahead::Part) => {}
            Ok(ahead @ (Ahead::Whole(_) | Ahead::Piece)) => {
                if let Some(call) = this.unsized_call.take() {
                    call.submit(ahead.whole());
                }
            }
        }
        Poll::Pending
    }
}

impl Drop for ResponseFuture {
    fn drop(&mut self) {
        if let Some(exchange) = self.exchange.take() {
            exchange.client_gone();
        }
    }
}
