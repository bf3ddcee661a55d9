//! One request and its response, between hyper and the stack.
//!
//! What no layer should have to know is settled here: requests that must not reach the stack, the extensions that it
//! reads, and what HTTP says of a response whatever the service says.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::header::{CONNECTION, CONTENT_LENGTH, DATE, HOST, TRANSFER_ENCODING};
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri, Version};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper::ext::ReasonPhrase;
use narthex_wire::{Body, Upload, is_grpc};
use parking_lot::Mutex;
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::body::{self, Kind, ResponseBody};
use crate::dispatch::text;
use crate::drain::Stage;
use crate::forwarded;
use crate::host::is_host;
use crate::rest::Rest;
use crate::state::{Fault, Faults, InFlight, State};

static CLOSE: HeaderValue = HeaderValue::from_static("close");

/// The stack as hyper calls it, for one connection.
#[derive(Debug)]
pub(crate) struct Exchanges<S> {
    /// Never waited for: hyper calls one after the other. It spares each request a clone of the stack, dozens of counters.
    service: Mutex<S>,
    state: Arc<State>,
}

impl<S> Exchanges<S> {
    pub(crate) fn new(service: S, state: Arc<State>) -> Self {
        Self { service: Mutex::new(service), state }
    }
}

impl<S> hyper::service::Service<Request<Incoming>> for Exchanges<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
{
    type Response = Response<ResponseBody>;
    type Error = Infallible;
    type Future = Exchange<S::Future>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let head = request.method() == Method::HEAD;
        let http10 = request.version() == Version::HTTP_10;
        let has_body = !request.body().is_end_stream();
        let in_flight = InFlight::new(&self.state, has_body);
        let (mut parts, incoming) = request.into_parts();
        let inner = match admit(&mut parts, &in_flight) {
            Ok(()) => {
                self.introduce(&mut parts, &in_flight, has_body);
                if has_body {
                    let state = Arc::clone(&self.state);
                    parts.extensions.insert(Faults { state, number: in_flight.number });
                }
                let request = Request::from_parts(parts, body::request(incoming, &in_flight));
                Inner::Called { future: self.service.lock().call(request) }
            }
            Err(refusal) => {
                drop(body::request(incoming, &in_flight));
                Inner::Refused { refusal: Some(refusal) }
            }
        };
        Exchange { inner, in_flight: Some(in_flight), head, http10, has_body }
    }
}

impl<S> Exchanges<S> {
    /// Puts in where the request comes from.
    fn introduce(&self, parts: &mut http::request::Parts, exchange: &InFlight, has_body: bool) {
        let State { connection, common, believed, .. } = &*self.state;
        let mut origin = forwarded::origin(connection, &parts.headers, &common.config.trusted, *believed);
        match &exchange.rest {
            Some(rest) => origin.upload = Upload::new(Arc::<Rest>::clone(rest)),
            None if has_body => origin.upload = Upload::new(Arc::<State>::clone(&self.state)),
            None => {}
        }
        parts.extensions.insert(origin);
    }
}

/// Why a request goes no further.
#[derive(Clone, Copy, Debug)]
struct Refusal(StatusCode, &'static str);

/// Refuses what no service should see, and gives HTTP/1 targets their usual form.
fn admit(parts: &mut http::request::Parts, exchange: &InFlight) -> Result<(), Refusal> {
    let bad = |why| Err(Refusal(StatusCode::BAD_REQUEST, why));
    if parts.method == Method::CONNECT {
        return Err(Refusal(StatusCode::NOT_IMPLEMENTED, "CONNECT is for proxies; this is none.\n"));
    }
    if exchange.state.is_misframed(exchange.number) {
        return bad(
            "The length of this request's body is ambiguous: give one Content-Length, or one Transfer-Encoding.\n",
        );
    }
    // Also `:authority`. What is no host may be a user and one, which http URIs must not have (RFC 9110 4.2.4).
    if !parts.uri.authority().is_none_or(|authority| is_host(authority.as_str().as_bytes())) {
        return bad("The host in the request's target is not a host.\n");
    }
    // RFC 9112 3.2.4; a path without a slash is nothing that an application expects.
    if parts.uri.path() == "*" && parts.method != Method::OPTIONS {
        return bad("The target * is for OPTIONS alone.\n");
    }
    let mut hosts = parts.headers.get_all(HOST).iter();
    let (first, second) = (hosts.next(), hosts.next());
    if second.is_some() {
        return bad("The request has more than one Host header.\n");
    }
    let hostless = match parts.version {
        Version::HTTP_10 => false,
        Version::HTTP_11 => first.is_none(),
        _ => first.is_none() && parts.uri.authority().is_none(),
    };
    if hostless {
        return bad("The request has no Host header.\n");
    }
    if !first.is_none_or(|host| is_host(host.as_bytes())) {
        return bad("The request's Host is not a host.\n");
    }
    let coding = parts.headers.get(TRANSFER_ENCODING);
    if !coding.is_none_or(|coding| coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked")) {
        let why = "The only transfer coding that is understood here is chunked.\n";
        return Err(Refusal(StatusCode::NOT_IMPLEMENTED, why));
    }
    if !exchange.state.http2 && parts.uri.authority().is_some() {
        return origin_form(parts);
    }
    Ok(())
}

/// Turns an HTTP/1 target with an authority into the usual form; its host takes the place of the header (RFC 9112 3.2.2).
fn origin_form(parts: &mut http::request::Parts) -> Result<(), Refusal> {
    let target = parts.uri.path_and_query().filter(|target| target.as_str().starts_with('/')).cloned();
    let authority = parts.uri.authority().and_then(|host| HeaderValue::from_str(host.as_str()).ok());
    let (Some(target), Some(authority)) = (target, authority) else {
        return Err(Refusal(StatusCode::BAD_REQUEST, "The request's target has no path.\n"));
    };
    parts.uri = Uri::from(target);
    parts.headers.insert(HOST, authority);
    Ok(())
}

pin_project! {
    /// The response of [`Exchanges`].
    #[derive(Debug)]
    pub(crate) struct Exchange<F> {
        #[pin]
        inner: Inner<F>,
        // Goes along with the response.
        in_flight: Option<InFlight>,
        head: bool,
        http10: bool,
        has_body: bool,
    }
}

pin_project! {
    #[project = Projection]
    #[derive(Debug)]
    enum Inner<F> {
        Called { #[pin] future: F },
        Refused { refusal: Option<Refusal> },
    }
}

impl<F> Future for Exchange<F>
where
    F: Future<Output = Result<Response<Body>, Infallible>>,
{
    type Output = Result<Response<ResponseBody>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let response = match this.inner.project() {
            Projection::Called { future } => match future.poll(cx) {
                Poll::Ready(Ok(response)) => response,
                Poll::Pending => return Poll::Pending,
            },
            Projection::Refused { refusal } => {
                let Refusal(status, why) = refusal.take().expect("polled again after it was ready");
                closing(text(status, why))
            }
        };
        let exchange = this.in_flight.take().expect("polled again after it was ready");
        let fault = if *this.has_body { exchange.state.take_fault(exchange.number) } else { None };
        let response = match fault {
            None => response,
            Some(fault) => {
                let why = match fault {
                    Fault::Malformed => "The request's body is malformed or incomplete.\n",
                    Fault::Stalled => "The request's body did not arrive in time.\n",
                };
                closing(text(fault.status(), why))
            }
        };
        let State { common, http2, .. } = &*exchange.state;
        exchange.state.sent();
        // hyper says so by itself, but not in answer to what came in the very turn that the drain did. It also ends a connection
        // whose request nobody reads to its end, and would leave its client to find that out by the loss of the next one. What
        // answers bit by bit may be reading still.
        let unread =
            || exchange.state.is_unread() && (exchange.state.is_given_up() || response.body().is_buffered());
        let last = !http2 && (common.roll.stage() != Stage::Serving || unread());
        let response = if last { closing(response) } else { response };
        Poll::Ready(Ok(settle(response, exchange, *this.head, *this.http10)))
    }
}

/// HTTP/1 clients are told that there is no next request; hyper takes the header out of an HTTP/2 response.
fn closing(mut response: Response<Body>) -> Response<Body> {
    response.headers_mut().insert(CONNECTION, CLOSE.clone());
    response
}

/// Makes of a service's response one that HTTP allows (RFC 9110 6.4.1, 8.6, 15).
fn settle(
    mut response: Response<Body>,
    mut exchange: InFlight,
    head: bool,
    http10: bool,
) -> Response<ResponseBody> {
    let status = response.status();
    if status.is_informational() || is_misstated(&response, head) {
        tracing::error!(
            %status,
            content_length = ?response.headers().get(CONTENT_LENGTH),
            "a response is impossible (its status is informational, or its Content-Length not that of its body); \
             the client got a 500"
        );
        response = text(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error");
    }
    let status = response.status();
    if exchange.state.http2 {
        // To a gRPC client it would be metadata, which no service gave.
        if is_grpc(response.headers()) {
            exchange.rest = None;
        } else if !response.headers().contains_key(DATE)
            && let Some(date) = exchange.state.common.date.now()
        {
            response.headers_mut().insert(DATE, date);
        }
    } else if status == StatusCode::PAYLOAD_TOO_LARGE {
        // Its name in RFC 9110 15.5.14; the http crate has that of RFC 7231.
        response.extensions_mut().insert(ReasonPhrase::from_static(b"Content Too Large"));
    }
    let no_content = matches!(status, StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT);
    let unchanged = status == StatusCode::NOT_MODIFIED;
    if !(head || no_content || unchanged) {
        let has_length = response.headers().contains_key(CONTENT_LENGTH);
        return response.map(|body| {
            if http10 && !has_length && body.size_hint().exact().is_none() {
                return ResponseBody::open_ended(body, exchange);
            }
            ResponseBody::new(Kind::Body(body), exchange)
        });
    }
    let (mut parts, body) = response.into_parts();
    if no_content {
        parts.headers.remove(CONTENT_LENGTH);
    } else if head
        && !body.is_end_stream()
        && let Some(length) = body.size_hint().exact()
    {
        parts.headers.entry(CONTENT_LENGTH).or_insert_with(|| HeaderValue::from(length));
    }
    let withheld = unchanged && !exchange.state.http2 && parts.headers.contains_key(CONTENT_LENGTH);
    let kind = if withheld { Kind::Withheld } else { Kind::Body(Body::empty()) };
    Response::from_parts(parts, ResponseBody::new(kind, exchange))
}

/// Whether a body in memory is not as long as its head says, which would put the connection out of step.
fn is_misstated(response: &Response<Body>, head: bool) -> bool {
    let status = response.status();
    if head || matches!(status, StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::NOT_MODIFIED)
    {
        return false;
    }
    let (Some(stated), Some(length)) =
        (response.headers().get(CONTENT_LENGTH), response.body().size_hint().exact())
    else {
        return false;
    };
    std::str::from_utf8(stated.as_bytes()).ok().and_then(|text| text.parse().ok()) != Some(length)
}
