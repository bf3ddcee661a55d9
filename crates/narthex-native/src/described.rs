//! `narthex.described.Described` as descriptors: what files say of services that need not be here.

use std::collections::HashSet;
use std::path::PathBuf;

use narthex_protojson::{Pool, PoolError};
use narthex_protos::Compiled;
use narthex_services::Discovered;
use narthex_upstream::Directory;
use pyo3::prelude::*;

use crate::config::Problem;
use crate::exposure::OURS;

/// `narthex.described.Described`.
#[derive(Debug, FromPyObject)]
pub(crate) struct Described {
    /// Names of files, and the serialized `FileDescriptorSet` in each.
    descriptor_sets: Vec<(String, Vec<u8>)>,
    protos: Vec<PathBuf>,
    /// The folders that they and their imports are in.
    proto_paths: Vec<PathBuf>,
}

/// Which services are taken from files: those that are registered here, and those that upstreams have.
pub(crate) struct Wanted<'a> {
    pub(crate) registered: &'a [String],
    /// A serialized `FileDescriptorSet` of the registered ones.
    pub(crate) descriptor_set: &'a [u8],
    pub(crate) directory: &'a Directory,
    /// And all others but Narthex's own, which `narthex descriptors` writes too: for who serves nothing, and says nothing of
    /// where they are.
    pub(crate) and_others: bool,
}

/// A descriptor set, and the files that it was read from.
struct Source {
    place: String,
    files: Vec<File>,
    /// Services of files that are there for others alone.
    imported: Vec<String>,
    pool: Pool,
    descriptor_set: Vec<u8>,
}

/// A file that an option names.
struct File {
    place: String,
    services: Vec<String>,
}

impl Described {
    /// The sets, each with those of its services that are wanted.
    pub(crate) fn read_for(&self, wanted: &Wanted<'_>, problems: &mut Vec<Problem>) -> Vec<Discovered> {
        let read = self.read(problems);
        // Its faults are told where it is served.
        let registered = (!read.is_empty()).then(|| Pool::from_file_descriptor_set(wanted.descriptor_set));
        let registered = registered.and_then(Result::ok);
        let mut described = Vec::new();
        for source in read {
            let mut services = wanted.imported(&source);
            let is_needed = !services.is_empty();
            for File { place, services: has } in source.files {
                let (there, others): (Vec<_>, Vec<_>) =
                    has.into_iter().partition(|service| wanted.has(service));
                // A file without services may have messages for what is `Any`.
                if there.is_empty() && !others.is_empty() && !is_needed {
                    problems.push(of_nobody(place, &others));
                    continue;
                }
                if let Some(registered) = &registered {
                    compare(&place, &there, &source.pool, registered, problems);
                }
                services.extend(there);
            }
            services.sort_unstable();
            described.push(Discovered { services, descriptor_set: source.descriptor_set });
        }
        described
    }

    fn read(&self, problems: &mut Vec<Problem>) -> Vec<Source> {
        let mut read: Vec<Source> = Vec::new();
        for (name, set) in &self.descriptor_sets {
            read.extend(given(format!("--descriptor-set {name}"), set, problems));
        }
        read.extend(self.compiled(problems));
        read
    }

    fn compiled(&self, problems: &mut Vec<Problem>) -> Option<Source> {
        if self.protos.is_empty() {
            return None;
        }
        let Compiled { files, descriptor_set } = narthex_protos::compile(&self.protos, &self.proto_paths)
            .map_err(|faults| {
                problems.extend(faults.into_iter().map(|fault| (fault.place, fault.what, fault.hint)));
            })
            .ok()?;
        let pool = pool(&descriptor_set, "--proto", "mend the file", problems)?;
        let (own, imported) = services(&pool, |file| files.iter().any(|name| name == file));
        let file = |name: &String| {
            let is_of_it =
                |service: &&String| pool.file_by_symbol(service).is_some_and(|of| of.name() == name);
            let services = own.iter().filter(is_of_it).cloned().collect();
            File { place: format!("--proto {name}"), services }
        };
        let files = files.iter().map(file).collect();
        Some(Source { place: "--proto".to_owned(), files, imported, pool, descriptor_set })
    }
}

impl Wanted<'_> {
    /// Those services of imports that somebody has named. The others are not what anybody asked for, though they could be had.
    fn imported(&self, source: &Source) -> Vec<String> {
        let (named, others): (Vec<_>, Vec<_>) =
            source.imported.iter().cloned().partition(|service| self.names(service));
        let others: Vec<String> = others.into_iter().filter(|service| self.has(service)).collect();
        // Calls of these would reach an upstream, so whoever sees the set may count on their JSON.
        let is_missed = others.iter().any(|service| self.is_elsewhere(service));
        let line = format!(
            "{}: the services of imports are left out: {}; --proto FILE and --upstream SERVICE=ADDRESS ask for one",
            source.place,
            others.join(", ")
        );
        match others.len() {
            0 => {}
            _ if is_missed => tracing::warn!("{line}"),
            _ => tracing::info!("{line}"),
        }
        named
    }

    /// Whether an upstream is asked for it.
    fn is_elsewhere(&self, service: &str) -> bool {
        self.directory.find(&format!("/{service}/")).is_some()
    }

    /// Whether a service that a file describes is to be had.
    fn has(&self, service: &str) -> bool {
        let is_anywhere = || self.and_others || self.is_elsewhere(service);
        !OURS.contains(&service) && (self.names(service) || is_anywhere())
    }

    /// Whether somebody has said of this very service that it is to be had.
    fn names(&self, service: &str) -> bool {
        self.registered.iter().any(|name| name == service)
            || self.directory.names().any(|name| name == service)
    }
}

/// A set that was compiled elsewhere.
fn given(place: String, set: &[u8], problems: &mut Vec<Problem>) -> Option<Source> {
    let hint = "write it by protoc --include_imports --descriptor_set_out=FILE";
    let pool = pool(set, &place, hint, problems)?;
    let (own, imported) = {
        let imports = pool.imports();
        services(&pool, |file| !imports.contains(file))
    };
    let files = vec![File { place: place.clone(), services: own }];
    Some(Source { place, files, imported, pool, descriptor_set: set.to_vec() })
}

fn pool(set: &[u8], place: &str, hint: &str, problems: &mut Vec<Problem>) -> Option<Pool> {
    let told = |error: PoolError| {
        problems.extend(error.problems().iter().map(|problem| {
            let place = format!("{place} {}", problem.file);
            (place.trim_end().to_owned(), problem.message.clone(), hint.to_owned())
        }));
    };
    Pool::from_file_descriptor_set(set).map_err(told).ok()
}

/// The services of files that are asked for, and those of others.
fn services(pool: &Pool, is_asked_for: impl Fn(&str) -> bool) -> (Vec<String>, Vec<String>) {
    let names = pool.services().map(|service| service.full_name().to_owned());
    names.partition(|service| pool.file_by_symbol(service).is_some_and(|file| is_asked_for(file.name())))
}

/// What is wrong with a file that describes these services, none of which is served.
fn of_nobody(place: String, services: &[String]) -> Problem {
    let hint = format!(
        "it has {}: register one by --grpc, name the upstream of one by --upstream SERVICE=ADDRESS, or leave the file out",
        services.join(", ")
    );
    (place, "describes no service that is registered here or at an upstream".to_owned(), hint)
}

/// Holds what files say of registered services against what the code has that was generated for them, which counts.
fn compare(place: &str, services: &[String], theirs: &Pool, ours: &Pool, problems: &mut Vec<Problem>) {
    let mut seen = HashSet::new();
    for service in services {
        let (Some(ours), Some(theirs)) = (ours.file_by_symbol(service), theirs.file_by_symbol(service))
        else {
            continue;
        };
        if !seen.insert(theirs.name()) {
            continue;
        }
        let name = ours.name();
        if name != theirs.name() {
            let what =
                format!("has {service}, which is registered from {name}, by the name of {}", theirs.name());
            let hint = format!("name by -I the folder in which it is {name}, or leave it out");
            problems.push((place.to_owned(), what, hint));
        } else if !ours.declares_the_same(theirs) {
            tracing::warn!(
                "{place}: {name} is another version than {service} is registered from: its comments are left out; generate \
                 the code of the file anew"
            );
        }
    }
}
