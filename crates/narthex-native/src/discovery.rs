//! Asks upstreams for their descriptors until they tell them, and has the stack made anew when they do.
//!
//! Until then their services are gRPC and gRPC-Web alone. One that has no reflection is not asked again.

use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_channel::oneshot;
use narthex_pyrt::{Job, Runtime};
use narthex_services::{Discovered, discover};
use narthex_upstream::Upstream;
use narthex_wire::{Code, Status};
use parking_lot::Mutex;
use pyo3::prelude::*;

use crate::blueprint::{Blueprint, Told};
use crate::config::Problem;
use crate::server::State;
use crate::shutdown::resolve;
use crate::stack::Parts;

/// How long the start waits for upstreams that are there to tell.
const START: Duration = Duration::from_secs(5);
/// How long each attempt may take.
const ATTEMPT: Duration = Duration::from_secs(15);
/// The pause after the first attempt that failed; it doubles up to the longest.
const PAUSE: Duration = Duration::from_millis(200);
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// What is known of each upstream.
pub(crate) struct Discovery {
    blueprint: Arc<Blueprint>,
    state: Weak<Mutex<State>>,
    upstreams: Vec<Upstream>,
    /// What files say, whatever upstreams tell.
    described: Vec<Discovered>,
    known: Mutex<Vec<Known>>,
}

#[derive(Clone, Debug, Default)]
enum Known {
    /// It is asked.
    #[default]
    Nothing,
    Told(Discovered),
    /// It has nothing to tell, or nothing that could be used.
    Silent,
}

impl Discovery {
    pub(crate) fn new(
        blueprint: Arc<Blueprint>,
        state: &Arc<Mutex<State>>,
        upstreams: Vec<Upstream>,
        described: Vec<Discovered>,
    ) -> Arc<Self> {
        let known = Mutex::new(vec![Known::default(); upstreams.len()]);
        Arc::new(Self { blueprint, state: Arc::downgrade(state), upstreams, described, known })
    }

    /// What the first stack is made of.
    pub(crate) fn parts(&self, problems: &mut Vec<Problem>) -> Option<Parts> {
        self.blueprint.parts(&self.told(), None, problems)
    }

    /// What all of them have told so far.
    fn told(&self) -> Told {
        let known = self.known.lock();
        let mut told = Told { discovered: self.described.clone(), expected: None };
        let mut expected = Vec::new();
        for (known, upstream) in known.iter().zip(&self.upstreams) {
            match known {
                Known::Nothing => expected.push(upstream.address().to_string()),
                Known::Told(discovered) => told.discovered.push(discovered.clone()),
                Known::Silent => {}
            }
        }
        if !expected.is_empty() {
            let names = expected.join(", ");
            told.expected =
                Some(format!("The descriptors of the upstream {names} are not there yet: ask again.").into());
        }
        told
    }

    /// Asks all of them; `answer`, an asyncio future, is resolved when each has been asked once, or the time for it is over.
    pub(crate) fn begin(self: &Arc<Self>, runtime: &Arc<Runtime>, answer: Py<PyAny>) {
        let mut asked = Vec::new();
        for index in 0..self.upstreams.len() {
            let (first, is_first) = oneshot::channel();
            asked.push(is_first);
            let following = Arc::clone(self).follow(Arc::clone(runtime), index, first);
            runtime.reactor().spawn(following).detach();
        }
        let waiting = Arc::clone(runtime);
        let wait = async move {
            let all = async {
                for first in asked {
                    // It is dropped when the upstream has been asked once.
                    let _ = first.await;
                }
            };
            waiting.reactor().within(START, all).await;
            waiting.push(Asked(answer));
        };
        runtime.reactor().spawn(wait).detach();
    }

    async fn follow(self: Arc<Self>, runtime: Arc<Runtime>, index: usize, first: oneshot::Sender<()>) {
        let mut first = Some(first);
        let mut pause = PAUSE;
        loop {
            let upstream = self.upstreams[index].clone();
            let address = upstream.address().clone();
            let asked = runtime.reactor().within(ATTEMPT, discover(upstream)).await;
            let asked = asked.unwrap_or_else(|| Err(Status::deadline_exceeded("it did not answer in time")));
            match asked {
                Ok(discovered) => return self.learn(index, discovered),
                Err(status) if status.code() == Code::Unimplemented => {
                    tracing::warn!(
                        "the upstream {address} has no reflection: services of it that no --descriptor-set describes are gRPC \
                         and gRPC-Web alone, without JSON and Connect"
                    );
                    self.known.lock()[index] = Known::Silent;
                    return drop(self.renew());
                }
                Err(status) if first.is_some() => tracing::warn!(
                    "the upstream {address} does not tell its descriptors: {}; until it does, which it is asked for again \
                     and again, its services are without JSON and Connect",
                    status.message()
                ),
                Err(status) => {
                    tracing::debug!("the upstream {address} does not tell its descriptors: {status}");
                }
            }
            first = None;
            runtime.reactor().sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    /// Has JSON, Connect and reflection for what was discovered, unless its descriptors are faulty.
    fn learn(&self, index: usize, mut discovered: Discovered) {
        let upstream = &self.upstreams[index];
        let address = upstream.address();
        let is_there = |service: &String| {
            let found = self.blueprint.directory.find(&format!("/{service}/"));
            found.is_some_and(|found| found.address() == address)
        };
        discovered.services.retain(is_there);
        let services = discovered.services.join(", ");
        self.known.lock()[index] = Known::Told(discovered);
        match self.renew() {
            Ok(()) => tracing::info!("the upstream {address} has the services {services}"),
            Err(problems) => {
                for (place, what, hint) in problems {
                    tracing::error!("the descriptors of the upstream {address}: {place}: {what}. {hint}");
                }
                tracing::error!(
                    "the services {services} of the upstream {address} are without JSON and Connect"
                );
                self.known.lock()[index] = Known::Silent;
                // Those of the others were fine before.
                drop(self.renew());
            }
        }
    }

    /// Makes the stack of what is known by now.
    fn renew(&self) -> Result<(), Vec<Problem>> {
        let Some(state) = self.state.upgrade() else { return Ok(()) };
        let Some(before) = state.lock().services().cloned() else { return Ok(()) };
        let mut problems = Vec::new();
        match self.blueprint.parts(&self.told(), Some(&before), &mut problems) {
            Some(parts) if problems.is_empty() => {
                State::install(&state, parts);
                Ok(())
            }
            _ => Err(problems),
        }
    }
}

/// Tells whoever starts the server that each upstream has been asked.
struct Asked(Py<PyAny>);

impl Job for Asked {
    fn run(self: Box<Self>, py: Python<'_>, _: &Arc<Runtime>) {
        if let Err(error) = resolve(self.0.bind(py), true) {
            narthex_pyrt::log_exception(py, "the start could not go on", &error);
        }
    }
}
