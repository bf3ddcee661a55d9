//! `narthex.described.Described` as descriptors: what files say of services that need not be here.

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

/// A descriptor set, and the files that it was read from.
struct Set {
    files: Vec<File>,
    descriptor_set: Vec<u8>,
}

/// A file that an option names.
struct File {
    place: String,
    /// What it describes itself; what it imports is described by whoever names that.
    services: Vec<String>,
}

impl Described {
    /// The sets, each with those of its services that the directory has. Without upstreams, which is for those who serve nothing,
    /// it is all of them but Narthex's own, which `narthex descriptors` writes too.
    pub(crate) fn read_for(&self, directory: &Directory, problems: &mut Vec<Problem>) -> Vec<Discovered> {
        let is_there = |name: &String| {
            !OURS.contains(&name.as_str())
                && (directory.is_empty() || directory.find(&format!("/{name}/")).is_some())
        };
        let mut described = Vec::new();
        for Set { files, descriptor_set } in self.read(problems) {
            let mut services = Vec::new();
            for File { place, services: has } in files {
                let (there, others): (Vec<_>, Vec<_>) = has.into_iter().partition(is_there);
                // A file without services may have messages for what is `Any`.
                if there.is_empty() && !others.is_empty() && !directory.is_empty() {
                    problems.push(of_nobody(place, &others));
                }
                services.extend(there);
            }
            services.sort_unstable();
            described.push(Discovered { services, descriptor_set });
        }
        described
    }

    /// The sets, each with all services that are described in it.
    fn read(&self, problems: &mut Vec<Problem>) -> Vec<Set> {
        let sets = self.descriptor_sets.iter().filter_map(|(name, set)| {
            let place = format!("--descriptor-set {name}");
            let hint = "write it by protoc --include_imports --descriptor_set_out=FILE";
            let services = services(&pool(set, &place, hint, problems)?);
            Some(Set { files: vec![File { place, services }], descriptor_set: set.clone() })
        });
        let mut read: Vec<Set> = sets.collect();
        read.extend(self.compiled(problems));
        read
    }

    fn compiled(&self, problems: &mut Vec<Problem>) -> Option<Set> {
        if self.protos.is_empty() {
            return None;
        }
        let Compiled { files, descriptor_set } = narthex_protos::compile(&self.protos, &self.proto_paths)
            .map_err(|faults| {
                problems.extend(faults.into_iter().map(|fault| (fault.place, fault.what, fault.hint)));
            })
            .ok()?;
        let pool = pool(&descriptor_set, "--proto", "mend the file", problems)?;
        let all = services(&pool);
        let file = |name: String| {
            let is_of_it =
                |service: &&String| pool.file_by_symbol(service).is_some_and(|of| of.name() == name);
            let services = all.iter().filter(is_of_it).cloned().collect();
            File { place: format!("--proto {name}"), services }
        };
        Some(Set { files: files.into_iter().map(file).collect(), descriptor_set })
    }
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

fn services(pool: &Pool) -> Vec<String> {
    pool.services().map(|service| service.full_name().to_owned()).collect()
}

/// What is wrong with a file that describes these services, none of which an upstream has.
fn of_nobody(place: String, services: &[String]) -> Problem {
    let hint = format!(
        "it has {}: name the upstream of one by --upstream SERVICE=ADDRESS, or leave the file out",
        services.join(", ")
    );
    (place, "describes no service of an upstream".to_owned(), hint)
}
