//! What upstreams and files tell of services, for commands that serve nothing: asked once.

use std::time::Duration;

use futures_util::FutureExt as _;
use narthex_protojson::join_descriptor_sets;
use narthex_reactor::{Reactor, Task};
use narthex_services::{Discovered, discover};
use narthex_upstream::{Directory, Upstream};
use narthex_wire::{Code, Status};
use pyo3::prelude::*;

use crate::config::{Config, Problem};
use crate::described::Wanted;
use crate::discovery::keep_those_there;

/// How long all of them have to tell.
const TIME: Duration = Duration::from_secs(10);
/// How often a signal is looked for meanwhile.
const SLICE: Duration = Duration::from_millis(100);

/// The services that upstreams and files tell of, and a serialized `FileDescriptorSet` of them and of those that are here. What is
/// wrong is the last list.
#[pyfunction]
#[expect(clippy::needless_pass_by_value, reason = "what Python gives is extracted by value")]
pub(crate) fn elsewhere(
    py: Python<'_>,
    config: Config,
    services: Vec<String>,
    descriptor_set: &[u8],
) -> PyResult<(Vec<String>, Vec<u8>, Vec<Problem>)> {
    let mut problems = Vec::new();
    let reactor = Reactor::new()?;
    let (directory, upstreams) = config.upstreams.directory(&reactor, &services, &mut problems);
    let wanted = Wanted {
        registered: &services,
        descriptor_set,
        directory: &directory,
        and_others: directory.is_empty(),
    };
    let mut told = config.described.read_for(&wanted, &mut problems);
    if config.upstreams.reflection && !upstreams.is_empty() && problems.is_empty() {
        let asked = ask(py, &reactor, &directory, &upstreams, &told, &mut problems);
        reactor.close();
        told.extend(asked?);
    } else {
        reactor.close();
    }
    let sets = [descriptor_set].into_iter().chain(told.iter().map(|told| &*told.descriptor_set));
    let joined = join_descriptor_sets(sets).unwrap_or_else(|error| {
        problems.extend(error.problems().iter().map(|problem| {
            let hint = "have the upstream tell a descriptor set by its reflection, or describe it by --proto or --descriptor-set";
            (problem.file.clone(), problem.message.clone(), hint.to_owned())
        }));
        Vec::new()
    });
    let names = told.into_iter().flat_map(|told| told.services).collect();
    Ok((names, joined, problems))
}

/// Asks all upstreams at once. One without reflection is no problem where a file describes a service of it.
fn ask(
    py: Python<'_>,
    reactor: &Reactor,
    directory: &Directory,
    upstreams: &[Upstream],
    described: &[Discovered],
    problems: &mut Vec<Problem>,
) -> PyResult<Vec<Discovered>> {
    let tasks: Vec<_> = upstreams
        .iter()
        .map(|upstream| {
            let (reactor, upstream) = (reactor.clone(), upstream.clone());
            reactor.clone().spawn(async move { reactor.within(TIME, discover(upstream)).await })
        })
        .collect();
    wait_for(py, reactor, &tasks)?;
    let mut told = Vec::new();
    for (task, upstream) in tasks.into_iter().zip(upstreams) {
        match task.now_or_never().expect("it is finished") {
            Some(Ok(mut discovered)) => {
                keep_those_there(&mut discovered, directory, upstream);
                told.push(discovered);
            }
            Some(Err(status))
                if status.code() == Code::Unimplemented && describes(described, directory, upstream) => {}
            failed => problems.push(problem(upstream, failed.and_then(Result::err))),
        }
    }
    Ok(told)
}

/// Drives the reactor until these are finished, and no longer than the user wants to wait: a signal's handler may raise.
fn wait_for<T: Send>(py: Python<'_>, reactor: &Reactor, tasks: &[Task<T>]) -> PyResult<()> {
    let are_finished = || tasks.iter().all(Task::is_finished);
    while !are_finished() {
        let timer = reactor.clone();
        let slice = reactor.spawn(async move { timer.sleep(SLICE).await });
        py.detach(|| reactor.driver().run_until_asked(|| slice.is_finished() || are_finished()));
        py.check_signals()?;
    }
    Ok(())
}

/// Whether files describe a service of this upstream's.
fn describes(described: &[Discovered], directory: &Directory, upstream: &Upstream) -> bool {
    described.iter().cloned().any(|mut described| {
        keep_those_there(&mut described, directory, upstream);
        !described.services.is_empty()
    })
}

fn problem(upstream: &Upstream, failed: Option<Status>) -> Problem {
    let what = match failed {
        None => format!("does not tell its descriptors within {TIME:?}"),
        Some(status) if status.code() == Code::Unimplemented => "has no reflection".to_owned(),
        Some(status) => format!("does not tell its descriptors: {}", status.message()),
    };
    let hint = "have it running with reflection, or describe it by --proto FILE or --descriptor-set FILE and add \
                --no-upstream-reflection";
    (format!("--upstream {}", upstream.address()), what, hint.to_owned())
}
