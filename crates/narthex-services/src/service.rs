//! The layer and its service: the methods answered here, everything else handed on.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Method, Request, Response};
use narthex_protojson::Pool;
use narthex_wire::{Answered, Body, Status, is_grpc};
use tower_layer::Layer;
use tower_service::Service;

use crate::health::{Health, ServingStatus};
use crate::reflection::Reflection;
use crate::{HEALTH, NAMES, REFLECTION_V1, REFLECTION_V1ALPHA};

const CHECK: &str = "/grpc.health.v1.Health/Check";
const LIST: &str = "/grpc.health.v1.Health/List";
const WATCH: &str = "/grpc.health.v1.Health/Watch";
pub(crate) const REFLECT_V1: &str = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
pub(crate) const REFLECT_V1ALPHA: &str = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo";

/// Which of the services are answered here, and from what. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Services(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    health: Health,
    reflection: Reflection,
    /// The services that are not ours.
    registered: Vec<String>,
    /// Whether each of [`NAMES`] is answered here.
    ours: [bool; NAMES.len()],
}

impl Services {
    /// Health for the services that the program `registered`, and reflection on them if it is wanted.
    ///
    /// Each registered service is serving. One of [`NAMES`] among them is the program's own, and left alone. `pool`
    /// holds the registered services' descriptors.
    pub fn new(pool: &Pool, registered: &[String], reflection: bool) -> Self {
        let is_registered = |name: &str| registered.iter().any(|registered| registered == name);
        let ours = NAMES.map(|name| !is_registered(name) && (name == HEALTH || reflection));
        let own = NAMES.iter().zip(ours).filter(|(_, ours)| *ours).map(|(name, _)| (*name).to_owned());
        let health = Health::new();
        for name in registered {
            health.set(name, ServingStatus::Serving);
        }
        let names = registered.iter().cloned().chain(own);
        let reflection = Reflection::new(pool.clone(), names);
        Self(Arc::new(Inner { health, reflection, registered: registered.to_vec(), ours }))
    }

    /// The same with reflection on other services, of which those that health does not know are serving from now on. Health
    /// does not know those any more that were registered before and are not now.
    ///
    /// Statuses that were set otherwise stay, and whoever shuts one of the two down shuts down both. What is answered here does not
    /// change: none of [`NAMES`] comes or goes.
    #[must_use]
    pub fn renewed(&self, pool: &Pool, registered: &[String]) -> Self {
        let Inner { health, reflection, registered: before, ours } = &*self.0;
        for name in before.iter().filter(|name| !registered.contains(name)) {
            health.forget(name);
        }
        for name in registered.iter().filter(|name| health.get(name).is_none()) {
            health.set(name, ServingStatus::Serving);
        }
        let own = NAMES.iter().zip(ours).filter(|(_, ours)| **ours).map(|(name, _)| (*name).to_owned());
        let reflection = reflection.renewed(pool.clone(), registered.iter().cloned().chain(own));
        let registered = registered.to_vec();
        Self(Arc::new(Inner { health: health.clone(), reflection, registered, ours: *ours }))
    }

    /// The statuses that health tells.
    pub fn health(&self) -> &Health {
        &self.0.health
    }

    /// The descriptors of the services that can be answered here.
    pub fn descriptors(&self) -> &Pool {
        self.0.reflection.ours()
    }

    /// The paths answered here.
    pub fn paths(&self) -> impl Iterator<Item = &'static str> {
        [CHECK, LIST, WATCH, REFLECT_V1, REFLECT_V1ALPHA].into_iter().filter(|path| self.call(path).is_some())
    }

    /// Says that nothing is serving, and ends the open streams, which would hold up a server that drains.
    pub fn shutdown(&self) {
        self.0.health.shutdown();
        self.0.reflection.shutdown();
    }

    fn call(&self, path: &str) -> Option<Call> {
        // One cheap test for all the others.
        if !path.starts_with("/grpc.") {
            return None;
        }
        let (service, call) = match path {
            CHECK => (HEALTH, Call::Check),
            LIST => (HEALTH, Call::List),
            WATCH => (HEALTH, Call::Watch),
            REFLECT_V1 => (REFLECTION_V1, Call::Reflect),
            REFLECT_V1ALPHA => (REFLECTION_V1ALPHA, Call::Reflect),
            _ => return None,
        };
        NAMES.iter().zip(self.0.ours).any(|(name, ours)| *name == service && ours).then_some(call)
    }

    async fn answer(self, call: Call, request: Request<Body>) -> Response<Body> {
        let health = self.0.health.clone();
        let answer = match call {
            Call::Check => health.check(request).await,
            Call::List => health.list(request).await,
            Call::Watch => health.watch(request).await,
            Call::Reflect => self.0.reflection.stream(request),
        };
        answer.unwrap_or_else(Status::into_response)
    }
}

#[derive(Clone, Copy, Debug)]
enum Call {
    Check,
    List,
    Watch,
    Reflect,
}

/// Puts [`Services`] in front of gRPC services.
#[derive(Clone, Debug)]
pub struct ServicesLayer {
    services: Services,
}

impl ServicesLayer {
    /// A layer that answers what `services` answers.
    pub fn new(services: Services) -> Self {
        Self { services }
    }
}

impl<S> Layer<S> for ServicesLayer {
    type Service = WithServices<S>;

    fn layer(&self, inner: S) -> Self::Service {
        WithServices { inner, services: self.services.clone() }
    }
}

/// Answers calls to health and reflection; any other request is the inner service's.
#[derive(Clone, Debug)]
pub struct WithServices<S> {
    inner: S,
    services: Services,
}

impl<S> Service<Request<Body>> for WithServices<S>
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
        match self.services.call(request.uri().path()) {
            Some(call) if request.method() == Method::POST && is_grpc(request.headers()) => {
                ResponseFuture::layer(self.services.clone().answer(call, request))
            }
            _ => ResponseFuture::inner(self.inner.call(request)),
        }
    }
}

/// The response of [`WithServices`].
pub type ResponseFuture<F> = Answered<F>;
