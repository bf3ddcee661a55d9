//! Asks upstreams for their descriptors until they tell them, and has the stack made anew when they do.
//!
//! Until then their services are gRPC and gRPC-Web alone. What has told is asked again when it may be another version by now: it
//! has been connected to anew, does not know a method, or somebody asks here for what nobody has. What it has told before holds
//! until it tells something else.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use futures_channel::oneshot;
use narthex_protojson::Pool;
use narthex_pyrt::{Job, Runtime};
use narthex_reactor::Reactor;
use narthex_services::{Discovered, discover};
use narthex_upstream::{Address, Change, Directory, Upstream};
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
/// What has told and was connected to for so long is asked anew after the shortest pause.
const STEADY: Duration = Duration::from_mins(1);
/// What is doubted is asked anew when so much time has passed since it was asked; it doubles up to the longest as long as what it
/// tells stays the same, for who calls a method that is not there may go on to do so.
const DOUBT: Duration = Duration::from_secs(1);
const DOUBT_MAX: Duration = Duration::from_mins(1);

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

/// What has come of asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum News {
    None,
    Changed,
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

    /// Asks one upstream until it has told, and again whenever what answers may be another server.
    async fn follow(self: Arc<Self>, runtime: Arc<Runtime>, index: usize, first: oneshot::Sender<()>) {
        let reactor = runtime.reactor();
        let mut first = Some(first);
        let (mut pause, mut doubt) = (PAUSE, DOUBT);
        loop {
            let asked = Instant::now();
            let told = self.ask(reactor, index, first.is_some()).await;
            first = None;
            if let Some((News::Changed, _)) = told {
                doubt = DOUBT;
            }
            if let Some((_, connection)) = told
                && self.changed(index, connection).await == Change::Doubted
            {
                reactor.sleep(doubt.saturating_sub(asked.elapsed())).await;
                doubt = (doubt * 2).min(DOUBT_MAX);
                continue;
            }
            if told.is_some() && asked.elapsed() > STEADY {
                pause = PAUSE;
            }
            reactor.sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    /// Ready when what answers may be another server than the one that was asked, the number of whose connection is given.
    async fn changed(&self, index: usize, connection: u64) -> Change {
        let upstream = &self.upstreams[index];
        // Before the number is looked at: a change in between is heard of, too.
        let changed = upstream.changed();
        if upstream.reconnections() == connection {
            changed.await
        } else {
            // Some was told by one server and some by the next. With the pause of a doubt: there are upstreams that end each
            // connection after a call.
            Change::Doubted
        }
    }

    /// Asks one upstream once, and gives the number of the connection that it was asked on; `None` if it has to be asked again.
    async fn ask(&self, reactor: &Reactor, index: usize, is_first: bool) -> Option<(News, u64)> {
        let upstream = self.upstreams[index].clone();
        let address = upstream.address().clone();
        let asking = async {
            // First, so that the connection that is made for this is not taken for another server's.
            let connection = upstream.connected().await?;
            Ok::<_, Status>((connection, discover(upstream).await))
        };
        let asked = reactor.within(ATTEMPT, asking).await;
        match asked.unwrap_or_else(|| Err(Status::deadline_exceeded("it did not answer in time"))) {
            Ok((connection, Ok(discovered))) => Some((self.learn(index, discovered), connection)),
            Ok((connection, Err(status))) if status.code() == Code::Unimplemented => {
                self.hear_nothing(index);
                Some((News::None, connection))
            }
            Ok((_, Err(status))) | Err(status) => {
                if is_first {
                    tracing::warn!(
                        "the upstream {address} does not tell its descriptors: {}; until it does, which it is asked for \
                         again and again, its services are without JSON and Connect",
                        status.message()
                    );
                } else {
                    tracing::debug!("the upstream {address} does not tell its descriptors: {status}");
                }
                None
            }
        }
    }

    /// The upstream has no reflection. What it has told when it had stays.
    fn hear_nothing(&self, index: usize) {
        let address = self.upstreams[index].address();
        {
            let known = &mut self.known.lock()[index];
            if !matches!(known, Known::Nothing) {
                return tracing::debug!("the upstream {address} has no reflection now");
            }
            *known = Known::Silent;
        }
        tracing::warn!(
            "the upstream {address} has no reflection: services of it that no --proto or --descriptor-set describes are gRPC \
             and gRPC-Web alone, without JSON and Connect"
        );
        // Nothing is expected of it any more.
        drop(self.renew());
    }

    /// Has JSON, Connect and reflection for what was discovered, unless its descriptors are faulty.
    fn learn(&self, index: usize, mut discovered: Discovered) -> News {
        let upstream = &self.upstreams[index];
        let address = upstream.address();
        keep_those_there(&mut discovered, &self.blueprint.directory, upstream);
        let services = discovered.services.join(", ");
        let before = {
            let known = &mut self.known.lock()[index];
            if matches!(known, Known::Told(before) if *before == discovered) {
                tracing::debug!("the upstream {address} tells what it told before");
                return News::None;
            }
            std::mem::replace(known, Known::Told(discovered.clone()))
        };
        match self.renew() {
            Ok(None) => News::Changed,
            Ok(Some(pool)) => {
                tell(address, &discovered, &pool);
                News::Changed
            }
            Err(problems) => {
                for (place, what, hint) in problems {
                    tracing::error!("the descriptors of the upstream {address}: {place}: {what}. {hint}");
                }
                let known = match before {
                    Known::Told(before) => {
                        tracing::error!("what the upstream {address} told before stays");
                        Known::Told(before)
                    }
                    Known::Nothing | Known::Silent => {
                        tracing::error!(
                            "the services {services} of the upstream {address} are without JSON and Connect"
                        );
                        Known::Silent
                    }
                };
                self.known.lock()[index] = known;
                // Those of the others were fine before.
                drop(self.renew());
                News::None
            }
        }
    }

    /// Makes the stack of what is known by now, and gives its descriptors; `None` if the server is no more.
    fn renew(&self) -> Result<Option<Pool>, Vec<Problem>> {
        let Some(state) = self.state.upgrade() else { return Ok(None) };
        let Some(before) = state.lock().services().cloned() else { return Ok(None) };
        let mut problems = Vec::new();
        match self.blueprint.parts(&self.told(), Some(&before), &mut problems) {
            Some(parts) if problems.is_empty() => {
                let pool = parts.pool.clone();
                State::install(&state, parts);
                Ok(Some(pool))
            }
            _ => Err(problems),
        }
    }
}

/// Leaves out services of this upstream's that are not asked for there.
pub(crate) fn keep_those_there(discovered: &mut Discovered, directory: &Directory, upstream: &Upstream) {
    discovered.services.retain(|service| {
        let found = directory.find(&format!("/{service}/"));
        found.is_some_and(|found| found.address() == upstream.address())
    });
}

/// Says what has come of what an upstream told.
fn tell(address: &Address, discovered: &Discovered, pool: &Pool) {
    let (described, others): (Vec<&String>, Vec<&String>) =
        discovered.services.iter().partition(|service| pool.service(service).is_some());
    let names = described.iter().map(|service| service.as_str()).collect::<Vec<_>>();
    tracing::info!("the upstream {address} has the services {}", names.join(", "));
    let own = Pool::from_file_descriptor_set(&discovered.descriptor_set).ok();
    for service in others {
        let file = own.as_ref().and_then(|own| own.file_by_symbol(service));
        let why = file.map_or_else(
            || "its reflection does not tell their descriptor".to_owned(),
            |file| format!("another file is known by the name of theirs, {}", file.name()),
        );
        tracing::warn!("the service {service} of the upstream {address} is without JSON and Connect: {why}");
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
