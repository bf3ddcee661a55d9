//! grpc.health.v1.Health: the statuses, and the methods that tell them.
//!
//! It is *not* a prober: a status is what somebody set.

use std::collections::HashMap;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Frame;
use narthex_wire::{Body, BoxError, Status};

pub use crate::message::ServingStatus;
use crate::message::{HealthCheckRequest, HealthCheckResponse, HealthListResponse};
use crate::reply;
use crate::watched::{Watched, Watcher};

/// The status of each service, and of the server as a whole under the empty name. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Health(Watched<Statuses>);

#[derive(Debug)]
struct Statuses {
    of: HashMap<String, ServingStatus>,
    shutting_down: bool,
}

impl Default for Health {
    fn default() -> Self {
        Self::new()
    }
}

impl Health {
    /// The server as a whole is serving; no service is known.
    pub fn new() -> Self {
        let of = HashMap::from([(String::new(), ServingStatus::Serving)]);
        Self(Watched::new(Statuses { of, shutting_down: false }))
    }

    /// Sets the status of a service, or of the server as a whole (`""`). Nothing changes once it is shutting down.
    pub fn set(&self, service: impl Into<String>, status: ServingStatus) {
        self.0.update(|statuses| {
            if !statuses.shutting_down {
                statuses.of.insert(service.into(), status);
            }
        });
    }

    /// Forgets a service that is no more, unless somebody has said something else of it than that it is serving.
    pub(crate) fn forget(&self, service: &str) {
        self.0.update(|statuses| {
            if !statuses.shutting_down && statuses.of.get(service) == Some(&ServingStatus::Serving) {
                statuses.of.remove(service);
            }
        });
    }

    /// Everything is not serving from now on, watches say so and end: they would hold up a server that drains.
    pub fn shutdown(&self) {
        self.0.update(|statuses| {
            statuses.shutting_down = true;
            statuses.of.values_mut().for_each(|status| *status = ServingStatus::NotServing);
        });
    }

    /// The status of a service, if it is known.
    pub fn get(&self, service: &str) -> Option<ServingStatus> {
        self.0.read(|statuses| statuses.of.get(service).copied())
    }

    pub(crate) async fn check(self, request: Request<Body>) -> Result<Response<Body>, Status> {
        let HealthCheckRequest { service } = reply::read(request).await?;
        match self.get(&service) {
            Some(status) => Ok(reply::unary(&HealthCheckResponse { status: status.into() })),
            None => Err(Status::not_found(format!("the service {service:?} is not known here"))),
        }
    }

    pub(crate) async fn list(self, request: Request<Body>) -> Result<Response<Body>, Status> {
        // HealthListRequest has no fields.
        let () = reply::read(request).await?;
        let response = |status: &ServingStatus| HealthCheckResponse { status: (*status).into() };
        let statuses = self.0.read(|statuses| {
            statuses.of.iter().map(|(service, status)| (service.clone(), response(status))).collect()
        });
        Ok(reply::unary(&HealthListResponse { statuses }))
    }

    pub(crate) async fn watch(self, request: Request<Body>) -> Result<Response<Body>, Status> {
        let HealthCheckRequest { service } = reply::read(request).await?;
        Ok(reply::stream(Watch { service, last: None, ended: false, watcher: self.0.watch() }))
    }
}

/// The stream of a watch: the status there is, then each change.
#[derive(Debug)]
struct Watch {
    service: String,
    last: Option<ServingStatus>,
    ended: bool,
    watcher: Watcher<Statuses>,
}

enum News {
    Status(ServingStatus),
    Shutdown,
}

impl Watch {
    fn news(&self, statuses: &Statuses) -> Option<News> {
        let now = statuses.of.get(&self.service).copied().unwrap_or(ServingStatus::ServiceUnknown);
        if self.last != Some(now) {
            return Some(News::Status(now));
        }
        statuses.shutting_down.then_some(News::Shutdown)
    }
}

impl http_body::Body for Watch {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let frame = match ready!(self.watcher.poll(cx, |statuses| self.news(statuses))) {
            News::Status(status) => {
                self.last = Some(status);
                Frame::data(reply::encode(&HealthCheckResponse { status: status.into() }))
            }
            News::Shutdown => {
                self.ended = true;
                reply::end(Status::unavailable("the server is shutting down"))
            }
        };
        Poll::Ready(Some(Ok(frame)))
    }
}
