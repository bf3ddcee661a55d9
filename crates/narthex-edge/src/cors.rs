//! CORS (<https://fetch.spec.whatwg.org/#http-cors-protocol>) for the paths that are ours: calls from pages of other origins.
//!
//! The paths of the application are its own business: what it answers there is untouched. It is *not* a defence: an origin
//! that is not allowed is not kept from calling, its pages are kept from reading the answer.

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, CACHE_CONTROL, CONTENT_LANGUAGE,
    CONTENT_LENGTH, CONTENT_TYPE, DATE, EXPIRES, HeaderMap, HeaderName, HeaderValue, LAST_MODIFIED, ORIGIN,
    PRAGMA, VARY,
};
use http::{Method, Request, Response, StatusCode};
use narthex_wire::{Answered, Body};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use crate::dispatch::text;

/// How long a browser may remember a permission, in seconds; Chromium takes no more than two hours.
const MAX_AGE: HeaderValue = HeaderValue::from_static("7200");
const ANY: HeaderValue = HeaderValue::from_static("*");
const TRUE: HeaderValue = HeaderValue::from_static("true");
/// What an answer without a permission depends on.
const VARY_ORIGIN: HeaderValue = HeaderValue::from_static("origin");
const VARY_PREFLIGHT: HeaderValue =
    HeaderValue::from_static("origin, access-control-request-method, access-control-request-headers");

/// Pages can read these in any case, or not at all, or have no use for them.
const NOT_EXPOSED: [HeaderName; 10] = [
    CACHE_CONTROL,
    CONTENT_LANGUAGE,
    CONTENT_LENGTH,
    CONTENT_TYPE,
    DATE,
    EXPIRES,
    LAST_MODIFIED,
    PRAGMA,
    VARY,
    ACCESS_CONTROL_ALLOW_ORIGIN,
];

/// Whose pages may call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origins {
    /// Everybody's, without credentials: cookies stay where they are.
    Any,
    /// Those of these origins (`https://example.org`), with credentials.
    Listed(Vec<HeaderValue>),
}

/// Makes [`Cors`] services.
#[derive(Clone)]
pub struct CorsLayer {
    shared: Arc<Shared>,
}

struct Shared {
    origins: Origins,
    owns: Box<dyn Fn(&str) -> bool + Send + Sync>,
}

impl CorsLayer {
    /// Lets pages of these origins call at the paths that `owns` says are ours.
    pub fn new(origins: Origins, owns: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        Self { shared: Arc::new(Shared { origins, owns: Box::new(owns) }) }
    }
}

impl<S> Layer<S> for CorsLayer {
    type Service = Cors<S>;

    fn layer(&self, inner: S) -> Cors<S> {
        Cors { inner, shared: Arc::clone(&self.shared) }
    }
}

impl fmt::Debug for CorsLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CorsLayer").field("origins", &self.shared.origins).finish_non_exhaustive()
    }
}

/// Answers preflights, and tells browsers who may read answers.
#[derive(Clone)]
pub struct Cors<S> {
    inner: S,
    shared: Arc<Shared>,
}

impl<S: fmt::Debug> fmt::Debug for Cors<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let origins = &self.shared.origins;
        f.debug_struct("Cors").field("inner", &self.inner).field("origins", origins).finish_non_exhaustive()
    }
}

impl<S> Service<Request<Body>> for Cors<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let Some(origin) = request.headers().get(ORIGIN) else {
            // Somebody else's answer to the same request may depend on it, if it is kept.
            let vary = (self.shared.owns)(request.uri().path());
            return ResponseFuture { inner: Answered::inner(self.inner.call(request)), grant: None, vary };
        };
        if !(self.shared.owns)(request.uri().path()) {
            return ResponseFuture {
                inner: Answered::inner(self.inner.call(request)),
                grant: None,
                vary: false,
            };
        }
        let grant = self.shared.origins.grant(origin);
        let preflight = request.method() == Method::OPTIONS
            && request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD);
        let inner = if preflight {
            let answer = if grant.is_some() { granted(request.headers()) } else { refused(origin) };
            Answered::now(Box::new(answer))
        } else {
            Answered::inner(self.inner.call(request))
        };
        ResponseFuture { inner, grant, vary: true }
    }
}

impl Origins {
    fn grant(&self, origin: &HeaderValue) -> Option<Grant> {
        match self {
            Self::Any => Some(Grant::Any),
            Self::Listed(listed) => listed.contains(origin).then(|| Grant::To(origin.clone())),
        }
    }
}

/// Who may read an answer.
#[derive(Clone, Debug)]
enum Grant {
    Any,
    To(HeaderValue),
}

impl Grant {
    fn write(self, headers: &mut HeaderMap) {
        if !headers.contains_key(ACCESS_CONTROL_MAX_AGE) {
            expose(headers);
        }
        match self {
            Self::Any => {
                headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, ANY);
            }
            Self::To(origin) => {
                headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
                headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, TRUE);
            }
        }
    }
}

/// Lets pages read all that is in the head: metadata have any name, and `*` is not for answers with credentials.
fn expose(headers: &mut HeaderMap) {
    let names = headers.keys().filter(|name| !NOT_EXPOSED.contains(name)).map(HeaderName::as_str);
    let names = names.collect::<Vec<_>>().join(", ");
    if !names.is_empty() {
        let names = HeaderValue::try_from(names).expect("the names of headers are visible ASCII");
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, names);
    }
}

/// The answer to a preflight: what is asked for is allowed. Whether it works, the call itself will show.
fn granted(asked: &HeaderMap) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
    headers.insert(VARY, VARY_PREFLIGHT);
    for (name, asked) in [
        (ACCESS_CONTROL_ALLOW_METHODS, asked.get(ACCESS_CONTROL_REQUEST_METHOD)),
        (ACCESS_CONTROL_ALLOW_HEADERS, asked.get(ACCESS_CONTROL_REQUEST_HEADERS)),
    ] {
        if let Some(asked) = asked {
            headers.insert(name, asked.clone());
        }
    }
    response
}

fn refused(origin: &HeaderValue) -> Response<Body> {
    let origin = String::from_utf8_lossy(origin.as_bytes());
    text(
        StatusCode::FORBIDDEN,
        format!(
            "Pages of {origin} may not call here. The server's option for that is --cors-origin {origin}\n"
        ),
    )
}

pin_project! {
    /// The response of [`Cors`].
    #[derive(Debug)]
    pub struct ResponseFuture<F> {
        #[pin]
        inner: Answered<F>,
        grant: Option<Grant>,
        // Whether the answer depends on the origin.
        vary: bool,
    }
}

impl<F> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<Body>, Infallible>>,
{
    type Output = Result<Response<Body>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let Ok(mut response) = ready!(this.inner.poll(cx));
        let headers = response.headers_mut();
        if *this.vary && headers.get(VARY) != Some(&VARY_PREFLIGHT) {
            headers.append(VARY, VARY_ORIGIN);
        }
        if let Some(grant) = this.grant.take() {
            grant.write(headers);
        }
        Poll::Ready(Ok(response))
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;
    use crate::testing::{Fun, body_text};

    const PAGE: &str = "https://page.example";

    fn listed() -> Origins {
        Origins::Listed(vec![HeaderValue::from_static(PAGE)])
    }

    fn send(origins: Origins, request: http::request::Builder) -> Response<Body> {
        let behind = Fun(|request: Request<Body>| async move {
            assert_ne!(request.headers().get(ORIGIN).map(HeaderValue::as_bytes), Some(&b"unseen"[..]));
            Response::builder()
                .header("x-a", "1")
                .header("grpc-status", "0")
                .header(VARY, "accept")
                .header(CONTENT_TYPE, "text/plain")
                .body(Body::from("behind"))
                .unwrap()
        });
        let mut service = CorsLayer::new(origins, |path| path.starts_with("/ours")).layer(behind);
        service.call(request.body(Body::empty()).unwrap()).now_or_never().unwrap().unwrap()
    }

    fn header<'a>(response: &'a Response<Body>, name: &str) -> Vec<&'a str> {
        response.headers().get_all(name).iter().map(|value| value.to_str().unwrap()).collect()
    }

    fn preflight(path: &str) -> http::request::Builder {
        Request::options(path)
            .header(ORIGIN, PAGE)
            .header(ACCESS_CONTROL_REQUEST_METHOD, "POST")
            .header(ACCESS_CONTROL_REQUEST_HEADERS, "content-type,x-grpc-web")
    }

    #[test]
    fn a_preflight_is_granted_what_it_asks_for() {
        for (origins, origin, credentials) in [(listed(), PAGE, vec!["true"]), (Origins::Any, "*", vec![])] {
            let response = send(origins, preflight("/ours/S/M"));
            assert_eq!(response.status(), StatusCode::NO_CONTENT);
            assert_eq!(header(&response, "access-control-allow-origin"), [origin]);
            assert_eq!(header(&response, "access-control-allow-credentials"), credentials);
            assert_eq!(header(&response, "access-control-allow-methods"), ["POST"]);
            assert_eq!(header(&response, "access-control-allow-headers"), ["content-type,x-grpc-web"]);
            assert_eq!(header(&response, "access-control-max-age"), ["7200"]);
            assert_eq!(
                header(&response, "vary"),
                ["origin, access-control-request-method, access-control-request-headers"]
            );
            assert_eq!(header(&response, "access-control-expose-headers"), [""; 0]);
            assert_eq!(body_text(response), "");
        }
    }

    #[test]
    fn an_answer_can_be_read_with_all_its_metadata() {
        let response = send(listed(), Request::post("/ours/S/M").header(ORIGIN, PAGE));
        assert_eq!(header(&response, "access-control-allow-origin"), [PAGE]);
        assert_eq!(header(&response, "access-control-allow-credentials"), ["true"]);
        assert_eq!(header(&response, "access-control-expose-headers"), ["x-a, grpc-status"]);
        assert_eq!(header(&response, "vary"), ["accept", "origin"]);
        assert_eq!(body_text(response), "behind");
        let response = send(Origins::Any, Request::post("/ours/S/M").header(ORIGIN, "null"));
        assert_eq!(header(&response, "access-control-allow-origin"), ["*"]);
    }

    #[test]
    fn other_origins_are_told_nothing_and_told_why() {
        let response = send(listed(), Request::post("/ours/S/M").header(ORIGIN, "https://other.example"));
        assert_eq!(header(&response, "access-control-allow-origin"), [""; 0]);
        assert_eq!(header(&response, "vary"), ["accept", "origin"]);
        assert_eq!(body_text(response), "behind");
        let other = Request::options("/ours/x")
            .header(ORIGIN, "https://page.example:444")
            .header(ACCESS_CONTROL_REQUEST_METHOD, "POST");
        let response = send(listed(), other);
        assert_eq!(response.status(), StatusCode::FORBIDDEN);
        assert_eq!(header(&response, "access-control-allow-origin"), [""; 0]);
        assert!(body_text(response).contains("--cors-origin https://page.example:444"));
    }

    #[test]
    fn what_comes_from_no_page_says_what_it_depends_on() {
        let response = send(listed(), Request::post("/ours/S/M"));
        assert_eq!(header(&response, "vary"), ["accept", "origin"]);
        assert_eq!(header(&response, "access-control-allow-origin"), [""; 0]);
    }

    #[test]
    fn the_paths_of_others_are_untouched() {
        let plain = Request::options("/theirs").header(ORIGIN, PAGE);
        for request in [preflight("/theirs"), plain, Request::get("/theirs")] {
            let response = send(listed(), request);
            assert_eq!(header(&response, "vary"), ["accept"]);
            assert_eq!(response.headers().len(), 4);
            assert_eq!(body_text(response), "behind");
        }
    }

    #[test]
    fn options_that_ask_for_no_permission_go_on() {
        let response = send(listed(), Request::options("/ours/S/M").header(ORIGIN, PAGE));
        assert_eq!(body_text(response), "behind");
    }
}
