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
use crate::receive::{Refused, read_ahead};
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
            return ResponseFuture { exchange: None, refusal, max_body, reads_ahead: false };
        }
        // A client that waits for 100 Continue gets it when the application asks for the body, not before.
        let reads_ahead = !head.headers.contains_key(EXPECT);
        let exchange = Exchange::new(Arc::clone(&self.app.0.runtime), body);
        match &self.app.0.callable {
            Callable::Asgi(_) => self.app.0.runtime.push(CallApp {
                app: self.app.clone(),
                exchange: Arc::clone(&exchange),
                head: Some(head),
            }),
            Callable::Wsgi(_) => wsgi::call(&self.app, Arc::clone(&exchange), head),
        }
        ResponseFuture::new(exchange, max_body, reads_ahead)
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
}

impl ResponseFuture {
    pub(crate) fn new(exchange: Arc<Exchange>, max_body: Option<u64>, reads_ahead: bool) -> Self {
        Self { exchange: Some(exchange), refusal: None, max_body, reads_ahead }
    }
}

impl std::fmt::Debug for ResponseFuture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ResponseFuture").field("done", &self.exchange.is_none()).finish_non_exhaustive()
    }
}

impl Future for ResponseFuture {
    type Output = Result<Response<Body>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(refusal) = self.refusal.take() {
            return Poll::Ready(Ok(refusal));
        }
        let Some(exchange) = &self.exchange else { return Poll::Pending };
        let mut state = exchange.lock();
        if let Some(answer) = state.ready.take() {
            drop(state);
            let response = answer.into_response(exchange);
            self.exchange = None;
            return Poll::Ready(Ok(response));
        }
        state.outlet = Some(cx.waker().clone());
        // Until the application is called this task is the body's reader; afterwards `receive` is.
        if self.reads_ahead
            && state.receivers.is_none()
            && let Err(Refused(status, text)) = read_ahead(&mut state, cx, self.max_body)
        {
            drop(state);
            exchange.fail(status, text);
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
