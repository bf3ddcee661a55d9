//! `narthex.described.Described` as descriptors: what files say of services that need not be here.

use std::path::PathBuf;

use narthex_protojson::Pool;
use narthex_services::Discovered;
use narthex_upstream::Directory;
use pyo3::prelude::*;

use crate::config::Problem;

/// `narthex.described.Described`.
#[derive(Debug, FromPyObject)]
pub(crate) struct Described {
    /// Names of files, and the serialized `FileDescriptorSet` in each.
    descriptor_sets: Vec<(String, Vec<u8>)>,
    protos: Vec<PathBuf>,
    /// The folders that they and their imports are in.
    proto_paths: Vec<PathBuf>,
}

impl Described {
    /// The sets, each with those of its services that the directory has. Without upstreams, which is for those who serve nothing,
    /// it is all of them.
    pub(crate) fn read_for(&self, directory: &Directory, problems: &mut Vec<Problem>) -> Vec<Discovered> {
        let mut described = self.read(problems);
        if !directory.is_empty() {
            for described in &mut described {
                described.services.retain(|name| directory.find(&format!("/{name}/")).is_some());
            }
        }
        described
    }

    /// The sets, each with all services that are in it.
    fn read(&self, problems: &mut Vec<Problem>) -> Vec<Discovered> {
        let mut described = Vec::new();
        for (name, set) in &self.descriptor_sets {
            let hint = "write it by protoc --include_imports --descriptor_set_out=FILE";
            described.extend(discovered(set.clone(), &format!("--descriptor-set {name}"), hint, problems));
        }
        if !self.protos.is_empty() {
            match narthex_protos::compile(&self.protos, &self.proto_paths) {
                Ok(set) => described.extend(discovered(set, "--proto", "mend the file", problems)),
                Err(faults) => {
                    problems.extend(faults.into_iter().map(|fault| (fault.place, fault.what, fault.hint)));
                }
            }
        }
        described
    }
}

fn discovered(set: Vec<u8>, place: &str, hint: &str, problems: &mut Vec<Problem>) -> Option<Discovered> {
    let pool = Pool::from_file_descriptor_set(&set).map_err(|error| {
        problems.extend(error.problems().iter().map(|problem| {
            let place = format!("{place} {}", problem.file);
            (place.trim_end().to_owned(), problem.message.clone(), hint.to_owned())
        }));
    });
    let mut services: Vec<String> =
        pool.ok()?.services().map(|service| service.full_name().to_owned()).collect();
    services.sort_unstable();
    Some(Discovered { services, descriptor_set: set })
}
