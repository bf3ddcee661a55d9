//! What the descriptors of the registered services give: JSON routes, reflection, health.

use narthex_protojson::Pool;
use narthex_services::Services;
use narthex_transcode::RouteTable;

use crate::config::Problem;

/// Everything that is made from descriptors.
pub(crate) struct Schema {
    pub(crate) routes: RouteTable,
    pub(crate) services: Services,
}

impl Schema {
    /// Reads a serialized `FileDescriptorSet` for the `registered` services; `None` if that is not possible, with every fault
    /// a problem.
    pub(crate) fn read(
        descriptor_set: &[u8],
        registered: &[String],
        reflection: bool,
        problems: &mut Vec<Problem>,
    ) -> Option<Self> {
        let pool = match Pool::from_file_descriptor_set(descriptor_set) {
            Ok(pool) => pool,
            Err(error) => {
                let hint = "regenerate the code of this file with grpc_tools.protoc, and restart";
                let all = error.problems().iter();
                problems.extend(
                    all.map(|problem| (problem.file.clone(), problem.message.clone(), hint.to_owned())),
                );
                return None;
            }
        };
        match RouteTable::build(&pool, registered) {
            Ok(routes) => {
                // What a user has to know of these, the start-up says by itself.
                for note in routes.notes() {
                    tracing::debug!("{note}");
                }
                Some(Self { services: Services::new(&pool, registered, reflection), routes })
            }
            Err(error) => {
                let all = error.problems().iter();
                problems.extend(
                    all.map(|problem| (problem.place.clone(), problem.message.clone(), problem.hint.clone())),
                );
                None
            }
        }
    }
}
