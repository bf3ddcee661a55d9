//! The service: which requests are ours, and what happens to them.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::request::Parts;
use http::{Extensions, Method, Request, Response};
use narthex_wire::{Accepted, Answered, Body, Code, CollectError, Encoding, Flow, Origin, Status, is_grpc};
use tower_service::Service;

use crate::bind::{self, Target};
use crate::collision;
use crate::error::Rejection;
use crate::layer::Shared;
use crate::media::{self, BodyPlan, Reading};
use crate::multipart;
use crate::request;
use crate::response;
use crate::rule::RequestBody;
use crate::stream::{self, Failure, RequestStream, StreamFormat};
use crate::update_mask::UpdateMask;

/// See [`TranscodeLayer`](crate::TranscodeLayer).
#[derive(Debug, Clone)]
pub struct Transcode<S> {
    pub(crate) inner: S,
    pub(crate) shared: Arc<Shared>,
}

impl<S> Service<Request<Body>> for Transcode<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        if is_grpc(request.headers()) {
            return ResponseFuture::inner(self.inner.call(request));
        }
        match Plan::of(&request, &self.shared) {
            None => ResponseFuture::inner(self.inner.call(request)),
            Some(Ok(plan)) => {
                // A clone goes along, since the body is read before the call; the one that is ready is used up.
                let clone = self.inner.clone();
                let ready = std::mem::replace(&mut self.inner, clone);
                ResponseFuture::layer(transcode(ready, request, plan, self.shared.clone()))
            }
            Some(Err(response)) => ResponseFuture::now(response),
        }
    }
}

/// The response of [`Transcode`].
pub type ResponseFuture<F> = Answered<F>;

/// What is known of a request from its head.
struct Plan {
    route: usize,
    body: BodyPlan,
    target: Target,
}

impl Plan {
    /// `None` if the request is not ours, an answer if it goes no further.
    fn of(request: &Request<Body>, shared: &Shared) -> Option<Result<Self, Box<Response<Body>>>> {
        let path = request.uri().path();
        let Some(found) = shared.table.find(request.method(), path) else {
            return shared.options.owns(path).then(|| Err(Box::new(no_route(request, shared))));
        };
        if found.route.is_auto && !media::is_json(request.headers()) {
            // A gRPC method's own path: what is not JSON there may be another protocol's, and dispatch knows what to say.
            return None;
        }
        let planned = media::plan(found.route, request.headers(), &shared.options).and_then(|body| {
            let target = Target::of(&found, request.uri().query(), &shared.options)?;
            Ok(Self { route: found.index(), body, target })
        });
        Some(planned.map_err(|rejection| {
            Box::new(refuse(rejection, request.method(), is_told(request.extensions()), shared))
        }))
    }
}

/// 405 if another HTTP method is bound to the path, else 404.
fn no_route(request: &Request<Body>, shared: &Shared) -> Response<Body> {
    let path = request.uri().path().to_owned();
    let allowed = shared.table.allowed(&path);
    let is_told = is_told(request.extensions());
    if allowed.is_empty() {
        return refuse(Rejection::NoRoute { path }, request.method(), is_told, shared);
    }
    let allow = HeaderValue::try_from(allowed.join(", ")).expect("HTTP methods are valid in a header");
    let method = request.method().to_string();
    let mut response = refuse(Rejection::Method { method, path }, request.method(), is_told, shared);
    response.headers_mut().insert(header::ALLOW, allow);
    response
}

/// Whether somebody wants to know which way an answer took, or what of a call was. Those who do stand behind one who says where
/// requests come from: in the middle of another server nobody does, and telling takes an allocation or three.
fn is_told(extensions: &Extensions) -> bool {
    extensions.get::<Origin>().is_some()
}

fn refuse(rejection: Rejection, method: &Method, is_told: bool, shared: &Shared) -> Response<Body> {
    let mut response = response::refuse(rejection, shared);
    if is_told {
        response.extensions_mut().insert(Flow::Json);
    }
    if method == Method::HEAD { response::without_body(response) } else { response }
}

async fn transcode<S>(mut inner: S, request: Request<Body>, plan: Plan, shared: Arc<Shared>) -> Response<Body>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
{
    let (mut head, body) = request.into_parts();
    let method = head.method.clone();
    let is_told = is_told(&head.extensions);
    let route = shared.table.route(plan.route);
    let reply = Reply::wanted(&head, route.server_streams, &shared);
    let (index, failure) = (plan.route, Failure::of(route.client_streams));
    let message = if route.client_streams {
        let (headers, failure) = (&head.headers, failure.clone());
        RequestStream::new(body, headers, plan.body, index, plan.target, failure, shared.clone())
            .map(Body::new)
    } else {
        message(&head, body, plan, &shared).await.map(Body::full)
    };
    let body = match message {
        Ok(body) => body,
        Err(rejection) => return refuse(rejection, &method, is_told, &shared),
    };
    request::to_grpc(&mut head, route, is_told);
    let Ok(answer) = inner.call(Request::from_parts(head, body)).await;
    if !is_grpc(answer.headers()) {
        return answer;
    }
    let mut response = match reply {
        Reply::Stream(format) => {
            stream::from_grpc(answer, index, format, failure, is_told, shared.clone()).await
        }
        Reply::Unary(accepted) => {
            let response = response::from_grpc(answer, route, accepted, &shared).await;
            match failure.take() {
                Some(rejection) => response::refuse(rejection, &shared),
                None => response,
            }
        }
    };
    if is_told {
        response.extensions_mut().insert(Flow::Json);
    }
    if method == Method::HEAD { response::without_body(response) } else { response }
}

/// How the answer is written.
enum Reply {
    /// Compressed by one of these, if it is worth it.
    Unary(Option<Accepted>),
    Stream(StreamFormat),
}

impl Reply {
    fn wanted(head: &Parts, server_streams: bool, shared: &Shared) -> Self {
        let options = &shared.options;
        if server_streams {
            return Self::Stream(StreamFormat::accepted(&head.headers, options.stream));
        }
        let says = options.compress && head.headers.contains_key(header::ACCEPT_ENCODING);
        Self::Unary(says.then(|| Accepted::from_headers(&head.headers, &header::ACCEPT_ENCODING)))
    }
}

/// The one request message, in its envelope.
async fn message(head: &Parts, body: Body, plan: Plan, shared: &Shared) -> Result<Bytes, Rejection> {
    let route = shared.table.route(plan.route);
    let options = &shared.options;
    let body = match route.body {
        RequestBody::None => Bytes::new(),
        _ => collect(body, plan.body.encoding, options.max_body).await?,
    };
    let content_type = head.headers.get(header::CONTENT_TYPE).map_or(&[][..], HeaderValue::as_bytes);
    let mut target = plan.target;
    let fills = options.fill_update_mask && head.method == Method::PATCH;
    let mut mask = if fills { UpdateMask::wanted(route, &target) } else { None };
    let message = match plan.body.reading {
        Reading::Multipart => {
            multipart::bind_body(route, body, content_type, &target, mask.as_mut(), options).await?
        }
        reading => {
            let message = bind::bind_body(route, &body, content_type, reading, &target, options)?;
            if let Some(mask) = &mut mask {
                mask.read(&body, reading, options)?;
            }
            message
        }
    };
    if let Some(mut mask) = mask {
        if let Some(query) = head.uri.query().filter(|_| bind::reads_query(route, options)) {
            mask.read_query(route, query, options)?;
        }
        mask.put(&mut target.tail);
    }
    let message = bind::finish(message, &target);
    if options.refuse_collisions
        && let Some(field) = collision::find(&route.input, &message, &target)
    {
        return Err(Rejection::Collision { field });
    }
    Ok(message)
}

/// The whole body, decompressed.
async fn collect(body: Body, encoding: Encoding, limit: usize) -> Result<Bytes, Rejection> {
    let collected = body.collect(limit).await.map_err(|error| match error {
        CollectError::TooLarge { limit } => Rejection::TooLarge { limit },
        CollectError::Body(error) => Rejection::Incomplete(Status::from_body_error(error)),
    })?;
    // No data is not compressed data; there are clients that say so of none.
    if collected.data.is_empty() {
        return Ok(collected.data);
    }
    encoding.decompress(collected.data, limit).map_err(|status| match status.code() {
        Code::ResourceExhausted => Rejection::TooLarge { limit },
        _ => Rejection::Compressed { encoding },
    })
}
