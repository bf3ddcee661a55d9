//! The one choice after all translation: gRPC, or the web application.
//!
//! It does *not* look for methods: which of them exist is the gRPC service's own affair. It knows the registered paths
//! only to keep them from the application.

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use narthex_wire::{Body, Flow, Status, is_grpc};
use pin_project_lite::pin_project;
use rustc_hash::FxHashSet;
use tower_service::Service;

static TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// The content types that a call may have, whatever of them a method is offered by.
const CALLS: &str = "application/grpc, application/grpc-web, application/grpc-web-text, application/json, application/proto, \
                     application/connect+proto, application/connect+json";

/// The paths (`/pkg.Service/Method`) of the registered gRPC methods.
#[derive(Clone, Debug, Default)]
pub struct Methods(Arc<FxHashSet<Box<str>>>);

impl Methods {
    /// Whether this is the path of a registered method.
    pub fn contains(&self, path: &str) -> bool {
        self.0.contains(path)
    }
}

impl<T: Into<Box<str>>> FromIterator<T> for Methods {
    fn from_iter<I: IntoIterator<Item = T>>(paths: I) -> Self {
        Self(Arc::new(paths.into_iter().map(Into::into).collect()))
    }
}

/// Sends gRPC requests to `G` and all others to `A`; without an application they get a 404.
#[derive(Clone)]
pub struct Dispatch<G, A> {
    grpc: G,
    app: Option<A>,
    methods: Methods,
    expected: Option<Arc<str>>,
    unknown: Option<Unknown>,
}

/// Hears that somebody asked for what nobody has.
pub type Unknown = Arc<dyn Fn() + Send + Sync>;

impl<G, A> Dispatch<G, A> {
    /// `methods` are the paths that never are the application's.
    pub const fn new(grpc: G, app: Option<A>, methods: Methods) -> Self {
        Self { grpc, app, methods, expected: None, unknown: None }
    }

    /// What is not there yet, and may be what a request is for that nobody takes: it gets a 503 with this text, and no 404.
    #[must_use]
    pub fn expecting(self, expected: Option<Arc<str>>) -> Self {
        Self { expected, ..self }
    }

    /// Who hears of requests that nobody takes, and of those to the application that may be calls.
    #[must_use]
    pub fn telling(self, unknown: Option<Unknown>) -> Self {
        Self { unknown, ..self }
    }

    fn hear_of_unknown(&self, request: &Request<Body>) {
        if let Some(unknown) = &self.unknown
            && (self.app.is_none() || may_be_call(request))
        {
            unknown();
        }
    }
}

impl<G, A> fmt::Debug for Dispatch<G, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dispatch")
            .field("app", &self.app.is_some())
            .field("methods", &self.methods.0.len())
            .finish_non_exhaustive()
    }
}

impl<G, A> Service<Request<Body>> for Dispatch<G, A>
where
    G: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    A: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = ResponseFuture<G::Future, A::Future>;

    /// Always ready; so are the services behind it, by the convention of the whole stack.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        if is_grpc(request.headers()) {
            return if request.method() == Method::POST {
                ResponseFuture { kind: Kind::Grpc { future: self.grpc.call(request) } }
            } else {
                ResponseFuture::answer(wrong_verb(request.method()))
            };
        }
        if self.methods.contains(request.uri().path()) {
            return ResponseFuture::answer(no_call(&request));
        }
        self.hear_of_unknown(&request);
        match &mut self.app {
            Some(app) => ResponseFuture { kind: Kind::App { future: app.call(request) } },
            None => ResponseFuture::answer(nothing(self.expected.as_deref())),
        }
    }
}

/// Whether a request looks like a call of a method: a POST to `/pkg.Service/Method`.
fn may_be_call(request: &Request<Body>) -> bool {
    let path = request.uri().path();
    let names = path.strip_prefix('/').and_then(|path| path.split_once('/'));
    request.method() == Method::POST
        && names.is_some_and(|(service, method)| service.contains('.') && !method.contains('/'))
}

/// The gRPC clients' own table makes UNKNOWN of the 405 that a plain server would send.
fn wrong_verb(method: &Method) -> Response<Body> {
    Status::unknown(format!("a gRPC call is a POST, this was {method}")).into_response()
}

/// What is no call in any protocol, at the path of a method: 405 for another verb, 415 for another content type.
fn no_call(request: &Request<Body>) -> Response<Body> {
    let status = if request.method() == Method::POST {
        StatusCode::UNSUPPORTED_MEDIA_TYPE
    } else {
        StatusCode::METHOD_NOT_ALLOWED
    };
    let given = request.headers().get(CONTENT_TYPE);
    let given = given.map_or("none".into(), |value| String::from_utf8_lossy(value.as_bytes()));
    let mut response = text(
        status,
        format!(
            "{} is a method: it is called by gRPC (application/grpc, over HTTP/2), gRPC-Web, Connect, or a POST of application/json, as far as \
             each is offered for it. This request is a {} whose content-type is {given}; Connect's say \
             connect-protocol-version: 1 as well.\n",
            request.uri().path(),
            request.method(),
        ),
    );
    response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
    response.headers_mut().insert("accept-post", HeaderValue::from_static(CALLS));
    response
}

/// Nobody takes the request, or not yet.
fn nothing(expected: Option<&str>) -> Response<Body> {
    let Some(expected) = expected else {
        return text(
            StatusCode::NOT_FOUND,
            "Nothing is served at this path: this server has gRPC services and their JSON routes, \
             and no web application.\n",
        );
    };
    let mut response = text(StatusCode::SERVICE_UNAVAILABLE, format!("{expected}\n"));
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

/// A plain text answer that is ours and nobody's behind us.
pub(crate) fn text(status: StatusCode, message: impl Into<Body>) -> Response<Body> {
    let mut response = Response::new(message.into());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, TEXT.clone());
    response.extensions_mut().insert(Flow::Http);
    response
}

pin_project! {
    /// The response of [`Dispatch`].
    #[derive(Debug)]
    pub struct ResponseFuture<G, A> {
        #[pin]
        kind: Kind<G, A>,
    }
}

pin_project! {
    #[project = Projection]
    #[derive(Debug)]
    enum Kind<G, A> {
        Grpc { #[pin] future: G },
        App { #[pin] future: A },
        // Boxed, for it is rare and would be the largest by far.
        Own { response: Option<Box<Response<Body>>> },
    }
}

impl<G, A> ResponseFuture<G, A> {
    fn answer(response: Response<Body>) -> Self {
        Self { kind: Kind::Own { response: Some(Box::new(response)) } }
    }
}

impl<G, A> Future for ResponseFuture<G, A>
where
    G: Future<Output = Result<Response<Body>, Infallible>>,
    A: Future<Output = Result<Response<Body>, Infallible>>,
{
    type Output = Result<Response<Body>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().kind.project() {
            Projection::Grpc { future } => future.poll(cx),
            Projection::App { future } => future.poll(cx),
            Projection::Own { response } => {
                Poll::Ready(Ok(*response.take().expect("polled again after it was ready")))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;
    use crate::testing::{Named, body_text};

    fn ask(app: bool, method: &str, path: &str, content_type: Option<&str>) -> Response<Body> {
        let methods = ["/shop.v1.Shop/Get"].into_iter().collect();
        let mut dispatch = Dispatch::new(Named("grpc"), app.then_some(Named("app")), methods);
        let mut request = Request::builder().method(method).uri(path);
        if let Some(content_type) = content_type {
            request = request.header(CONTENT_TYPE, content_type);
        }
        let request = request.body(Body::empty()).unwrap();
        dispatch.call(request).now_or_never().expect("nothing waits here").unwrap()
    }

    #[test]
    fn grpc_and_everything_else() {
        for content_type in ["application/grpc", "application/grpc+proto"] {
            assert_eq!(body_text(ask(true, "POST", "/any/thing", Some(content_type))), "grpc");
            assert_eq!(body_text(ask(false, "POST", "/shop.v1.Shop/Get", Some(content_type))), "grpc");
        }
        for content_type in [None, Some("text/html"), Some("application/grpc-web")] {
            assert_eq!(body_text(ask(true, "GET", "/shop.v1.Shop/Other", content_type)), "app");
        }
    }

    #[test]
    fn a_registered_path_is_never_the_apps() {
        for (method, content_type) in [("POST", Some("application/json")), ("GET", None), ("POST", None)] {
            let response = ask(true, method, "/shop.v1.Shop/Get", content_type);
            let expect = if method == "POST" { 415 } else { 405 };
            assert_eq!(response.status(), expect);
            assert_eq!(response.headers()[ALLOW], "POST");
            let text = body_text(response);
            assert!(text.contains("application/grpc"), "{text}");
            assert!(text.contains(content_type.unwrap_or("content-type is none")), "{text}");
        }
    }

    #[test]
    fn grpc_that_is_no_post() {
        let response = ask(true, "GET", "/shop.v1.Shop/Get", Some("application/grpc"));
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["grpc-status"], "2");
        assert_eq!(response.headers()["grpc-message"], "a gRPC call is a POST, this was GET");
    }

    #[test]
    fn what_is_expected_is_a_503() {
        let dispatch = Dispatch::new(Named("grpc"), None::<Named>, Methods::default());
        let mut dispatch = dispatch.expecting(Some("Descriptors are not there yet.".into()));
        let request = Request::post("/v1/books").body(Body::empty()).unwrap();
        let response = dispatch.call(request).now_or_never().expect("nothing waits here").unwrap();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.headers()[RETRY_AFTER], "1");
        assert_eq!(body_text(response), "Descriptors are not there yet.\n");
    }

    #[test]
    fn what_nobody_has_is_told() {
        use std::sync::atomic::{AtomicUsize, Ordering};

        fn told(app: bool, method: &str, path: &str) -> usize {
            let count = Arc::new(AtomicUsize::new(0));
            let counted = Arc::clone(&count);
            let methods = ["/shop.v1.Shop/Get"].into_iter().collect();
            let mut dispatch = Dispatch::new(Named("grpc"), app.then_some(Named("app")), methods).telling(
                Some(Arc::new(move || {
                    counted.fetch_add(1, Ordering::Relaxed);
                })),
            );
            let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
            drop(dispatch.call(request).now_or_never().expect("nothing waits here"));
            count.load(Ordering::Relaxed)
        }
        for (method, path, expect) in [
            ("POST", "/shop.v1.Other/Get", [1, 1]),
            ("GET", "/shop.v1.Other/Get", [0, 1]),
            ("POST", "/api/orders", [0, 1]),
            ("POST", "/a.b/c/d", [0, 1]),
            ("POST", "/shop.v1.Shop/Get", [0, 0]),
        ] {
            assert_eq!([true, false].map(|app| told(app, method, path)), expect, "{method} {path}");
        }
    }

    #[test]
    fn no_application_is_a_404() {
        let response = ask(false, "GET", "/", None);
        assert_eq!(response.status(), StatusCode::NOT_FOUND);
        assert_eq!(response.headers()[CONTENT_TYPE], "text/plain; charset=utf-8");
    }
}
