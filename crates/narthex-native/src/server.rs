//! One server on one event loop, and the order of its life: prepare, start up, serve, shut down, close.

use std::sync::Arc;

use narthex_asgi::{App, Interface, Lifespan};
use narthex_edge::{Bind, Bound as BoundSockets, Serving, TcpOptions};
use narthex_pyrt::Runtime;
use narthex_reactor::Reactor;
use narthex_servicer::{Dialect, Hooks, Registry, Servicer, compression_of};
use narthex_services::{Services, ServingStatus};
use narthex_upstream::Upstream;
use narthex_wire::encoding::Enabled;
use parking_lot::Mutex;
use pyo3::exceptions::{PyOSError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyMapping;

use crate::blueprint::Blueprint;
use crate::config::{Config, Problem, seconds};
use crate::discovery::Discovery;
use crate::shutdown::{End, StopLimit, drain};
use crate::signals::Ear;
use crate::sockets::{self, Sockets};
use crate::stack::{self, Parts, Renew};

/// What shells add to the number of a signal that ended a process.
const SIGNALLED: i32 = 128;

/// A server; see python/narthex/server.py for who calls what.
#[pyclass(frozen, weakref, module = "narthex._native")]
pub(crate) struct Server {
    config: Arc<Config>,
    runtime: Arc<Runtime>,
    app: Option<App>,
    lifespan: Option<Arc<Lifespan>>,
    registry: Arc<Registry>,
    calls: narthex_servicer::Options,
    services: Vec<String>,
    descriptor_set: Vec<u8>,
    /// Claimed before; what the configuration names is added to it.
    sockets: Option<Py<Sockets>>,
    stop_limit: Arc<StopLimit>,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
pub(crate) enum State {
    #[default]
    New,
    Prepared(Box<Prepared>),
    Serving(Box<Active>),
    Closed,
}

impl State {
    /// What the process ends with, `early` where nothing is served yet.
    const fn exit_code(&self, early: i32) -> i32 {
        if matches!(self, Self::Serving(_)) { 0 } else { early }
    }
}

/// A server that accepts, or drains.
pub(crate) struct Active {
    serving: Serving,
    addresses: Vec<String>,
    services: Services,
    renew: Option<Renew>,
}

pub(crate) struct Prepared {
    sockets: BoundSockets,
    edge: narthex_edge::Config,
    parts: Parts,
    /// What has still to be asked of upstreams.
    discovery: Arc<Discovery>,
}

#[pymethods]
impl Server {
    #[new]
    #[pyo3(signature = (
        config, r#loop, app, methods, generic_handlers, services, descriptor_set, *, sockets = None,
        interceptors = Vec::new(), executor = None, maximum_concurrent_rpcs = None, max_send_message = None,
        compression = None, encodings = None, classic = false, wsgi = false,
    ))]
    #[expect(
        clippy::too_many_arguments,
        clippy::needless_pass_by_value,
        reason = "Python passes them by name; they are the parts of one server"
    )]
    fn new(
        config: Config,
        r#loop: &Bound<'_, PyAny>,
        app: Option<Bound<'_, PyAny>>,
        methods: &Bound<'_, PyMapping>,
        generic_handlers: Vec<Py<PyAny>>,
        services: Vec<String>,
        descriptor_set: Vec<u8>,
        sockets: Option<Py<Sockets>>,
        interceptors: Vec<Py<PyAny>>,
        executor: Option<Py<PyAny>>,
        maximum_concurrent_rpcs: Option<usize>,
        max_send_message: Option<usize>,
        compression: Option<&Bound<'_, PyAny>>,
        encodings: Option<Vec<Bound<'_, PyAny>>>,
        classic: bool,
        wsgi: bool,
    ) -> PyResult<Self> {
        let py = r#loop.py();
        let runtime = Runtime::new(r#loop, Reactor::new()?, config.runtime(executor))?;
        let interface = if wsgi { Interface::Wsgi } else { Interface::Asgi };
        let app = app.map(|app| App::new(Arc::clone(&runtime), &app, config.app(interface))).transpose()?;
        let lifespan = app.clone().map(|app| Arc::new(Lifespan::new(app)));
        let registry = Arc::new(Registry::new(py, methods, generic_handlers, &interceptors)?);
        let calls = narthex_servicer::Options {
            max_message: config.grpc_max_message,
            max_send_message,
            maximum_concurrent_rpcs,
            enabled: encodings
                .map_or(Ok(Enabled::ALL), |enabled| enabled.iter().map(compression_of).collect())?,
            compression: compression.map(compression_of).transpose()?.unwrap_or_default(),
            dialect: if classic { Dialect::Classic } else { Dialect::Aio },
        };
        let stop_limit = StopLimit::new(Arc::clone(&runtime), lifespan.clone());
        let (config, state) = (Arc::new(config), Arc::default());
        Ok(Self {
            config,
            runtime,
            app,
            lifespan,
            registry,
            calls,
            services,
            descriptor_set,
            sockets,
            stop_limit,
            state,
        })
    }

    /// Builds the routes and binds the sockets; returns every problem.
    fn prepare(&self, py: Python<'_>) -> PyResult<Vec<Problem>> {
        let mut problems = Vec::new();
        let forwarded_from = self.config.forwarded_from(&mut problems);
        let (blueprint, upstreams) = self.blueprint(py, &mut problems)?;
        let described = self.config.described.read_for(&blueprint.wanted(), &mut problems);
        let discovery = Discovery::new(Arc::new(blueprint), &self.state, upstreams, described);
        let parts = discovery.parts(&mut problems);
        let sockets = self.bind(&mut problems);
        if let (Some(parts), true) = (parts, problems.is_empty()) {
            let edge = self.config.edge(forwarded_from);
            *self.state.lock() = State::Prepared(Box::new(Prepared { sockets, edge, parts, discovery }));
        }
        Ok(problems)
    }

    /// The bound addresses.
    #[getter]
    fn addresses(&self) -> Vec<String> {
        match &*self.state.lock() {
            State::Prepared(prepared) => addresses(&prepared.sockets),
            State::Serving(active) => active.addresses.clone(),
            State::New | State::Closed => Vec::new(),
        }
    }

    /// The registered services that have no descriptor, after `prepare`.
    fn undescribed(&self) -> Vec<String> {
        let state = self.state.lock();
        let State::Prepared(prepared) = &*state else { return Vec::new() };
        let pool = &prepared.parts.pool;
        self.services.iter().filter(|service| pool.service(service).is_none()).cloned().collect()
    }

    /// Starts the runtime on the loop, and the application's lifespan.
    fn startup<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.runtime.start(py)?;
        match &self.lifespan {
            Some(lifespan) => lifespan.startup(py),
            None => narthex_pyrt::ready_none(py),
        }
    }

    /// Asks upstreams for their descriptors; done when each has been asked once, or the time for it is over.
    fn discover<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let discovery = match &*self.state.lock() {
            State::Prepared(prepared) => Arc::clone(&prepared.discovery),
            _ => return narthex_pyrt::ready_none(py),
        };
        let answer = self.runtime.create_future(py)?;
        discovery.begin(&self.runtime, answer.clone().unbind());
        Ok(answer)
    }

    /// Listens and accepts.
    fn serve(&self) -> PyResult<()> {
        let mut state = self.state.lock();
        match std::mem::take(&mut *state) {
            State::Prepared(prepared) => {
                let Prepared { sockets, edge, parts, .. } = *prepared;
                let addresses = addresses(&sockets);
                let services = parts.services.clone();
                let reactor = self.runtime.reactor();
                let (stack, renew) = stack::renewable(parts, reactor);
                let served = sockets.serve(reactor, stack, edge);
                let serving = served.map_err(|error| PyOSError::new_err(error.to_string()))?;
                *state = State::Serving(Box::new(Active { serving, addresses, services, renew }));
                Ok(())
            }
            other => {
                *state = other;
                Err(PyRuntimeError::new_err("serve() comes once, after prepare() without problems"))
            }
        }
    }

    /// Drains, then ends the application's lifespan.
    fn shutdown<'py>(&self, py: Python<'py>, timeout: f64) -> PyResult<Bound<'py, PyAny>> {
        let answer = self.runtime.create_future(py)?;
        let serving = match &*self.state.lock() {
            State::Serving(active) => {
                // Health says so first; open Watch and reflection streams would hold the drain up.
                active.services.shutdown();
                Some(active.serving.clone())
            }
            _ => None,
        };
        let end = End::new(answer.clone().unbind(), self.lifespan.clone(), seconds(timeout));
        self.runtime.reactor().spawn(drain(Arc::clone(&self.runtime), serving, end)).detach();
        Ok(answer)
    }

    /// A stop was asked for: ends the process once the time for it is over and Python does not come back to the event loop,
    /// with `early_code` where nothing is served yet.
    fn limit_stop(&self, timeout: f64, early_code: i32) {
        self.stop_limit.begin(seconds(timeout), self.state.lock().exit_code(early_code));
    }

    /// Has each of these signals limit the stop as `limit_stop` does, also while Python does not get to its own handlers, which have
    /// to be in place already. Where nothing is served yet, the exit code is what shells make of the signal.
    #[expect(clippy::needless_pass_by_value, reason = "Python gives a sequence")]
    fn limit_stop_on(&self, signals: Vec<i32>, timeout: f64) -> PyResult<()> {
        let ear = Ear::new(self.runtime.reactor(), &signals)?;
        let (limit, state) = (Arc::clone(&self.stop_limit), Arc::clone(&self.state));
        let listen = async move {
            match ear.next().await {
                Ok(signal) => limit.begin(seconds(timeout), state.lock().exit_code(SIGNALLED + signal)),
                Err(error) => tracing::error!("bug: signals are not heard while Python is busy: {error}"),
            }
        };
        self.runtime.reactor().spawn(listen).detach();
        Ok(())
    }

    /// Sets what health tells of a service; nothing before `prepare` and after `close`.
    fn set_health(&self, service: String, status: i32) -> PyResult<()> {
        let status = ServingStatus::try_from(status)
            .map_err(|_| PyValueError::new_err(format!("{status} is no status of grpc.health.v1")))?;
        let Some(services) = self.state.lock().services().cloned() else { return Ok(()) };
        // Outside the lock: watches are woken.
        services.health().set(service, status);
        Ok(())
    }

    /// Whether an exit that left the event loop was the end of a call, and no more.
    fn take_absorbed_exit(&self) -> bool {
        self.runtime.take_absorbed_exit()
    }

    /// Releases the loop and the threads.
    fn close(&self, py: Python<'_>) {
        if !self.runtime.reactor().is_ours() {
            // In a forked child: the sockets are its parent's, and its locks may be for ever.
            return;
        }
        let state = std::mem::replace(&mut *self.state.lock(), State::Closed);
        if let State::Serving(active) = &state {
            active.serving.abort();
        }
        self.runtime.stop(py);
        py.detach(|| {
            self.runtime.reactor().close();
            drop(state);
        });
    }
}

impl Server {
    /// The addresses that were claimed before, and those of the configuration.
    fn bind(&self, problems: &mut Vec<Problem>) -> BoundSockets {
        let mut bound = self
            .sockets
            .as_ref()
            .map_or_else(BoundSockets::default, |sockets| sockets.get().take(&self.runtime));
        let tls = self.config.tls().read(problems);
        for bind in self.config.binds(problems) {
            // Whoever reaches a UNIX socket's file is on this machine.
            let tls = tls.clone().filter(|_| matches!(bind, Bind::Tcp(_)));
            if let Err(problem) = bound.bind(&bind, TcpOptions::default(), tls) {
                problems.push(sockets::problem(&problem));
            }
        }
        bound
    }

    /// What is here and what is elsewhere, and the upstreams that tell what they have.
    fn blueprint(&self, py: Python<'_>, problems: &mut Vec<Problem>) -> PyResult<(Blueprint, Vec<Upstream>)> {
        let hooks = Hooks::from_django(py)?;
        let servicer =
            Servicer::new(Arc::clone(&self.runtime), Arc::clone(&self.registry), self.calls, hooks);
        let upstreams = &self.config.upstreams;
        let (directory, mut made) = upstreams.directory(self.runtime.reactor(), &self.services, problems);
        if !upstreams.reflection {
            made.clear();
        }
        let blueprint = Blueprint {
            config: Arc::clone(&self.config),
            registry: Arc::clone(&self.registry),
            servicer,
            app: self.app.clone(),
            services: self.services.clone(),
            descriptor_set: self.descriptor_set.clone(),
            directory: Arc::new(directory),
        };
        Ok((blueprint, made))
    }
}

impl State {
    /// The services of the stack that serves, or is about to.
    pub(crate) fn services(&self) -> Option<&Services> {
        match self {
            Self::Prepared(prepared) => Some(&prepared.parts.services),
            Self::Serving(active) => Some(&active.services),
            Self::New | Self::Closed => None,
        }
    }

    /// Has these parts served from now on.
    pub(crate) fn install(state: &Mutex<Self>, parts: Parts) {
        let mut locked = state.lock();
        let renew = match &mut *locked {
            Self::Prepared(prepared) => {
                prepared.parts = parts;
                return;
            }
            Self::Serving(active) => {
                active.services = parts.services.clone();
                active.renew.clone()
            }
            Self::New | Self::Closed => None,
        };
        drop(locked);
        if let Some(renew) = renew {
            renew(parts);
        }
    }
}

fn addresses(sockets: &BoundSockets) -> Vec<String> {
    let show = |(endpoint, scheme)| match endpoint {
        narthex_wire::Endpoint::Tcp(address) => format!("{scheme}://{address}"),
        unix @ narthex_wire::Endpoint::Unix(_) => unix.to_string(),
    };
    sockets.local().map(show).collect()
}
