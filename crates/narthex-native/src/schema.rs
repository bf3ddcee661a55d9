//! What the descriptors of the registered services give: JSON routes, the messages of JSON calls, Connect's methods, reflection,
//! health.

use std::collections::HashMap;

use narthex_connect::Shape;
use narthex_grpc_json::Messages;
use narthex_protojson::{Method, Pool};
use narthex_services::Services;
use narthex_transcode::{RouteTable, Rules};

use crate::config::Problem;
use crate::exposure::Exposure;

/// Everything that is made from descriptors.
pub(crate) struct Schema {
    pub(crate) pool: Pool,
    pub(crate) routes: RouteTable,
    pub(crate) services: Services,
    /// The methods that have a descriptor, by path: the registered ones', and those of the services answered here.
    methods: HashMap<String, Method>,
}

impl Schema {
    /// Reads a serialized `FileDescriptorSet` for the `registered` services, whose methods that can be listed are at `paths`;
    /// `None` if that is not possible, with every fault a problem.
    pub(crate) fn read(
        descriptor_set: &[u8],
        registered: &[String],
        paths: &[&str],
        exposure: &Exposure,
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
        let rules = Rules { exposed: exposure.json.clone(), ..Rules::default() };
        match RouteTable::with_rules(&pool, registered, &rules) {
            Ok(routes) => {
                // What a user has to know of these, the start-up says by itself.
                for note in routes.notes() {
                    tracing::debug!("{note}");
                }
                let shown: Vec<String> = registered
                    .iter()
                    .filter(|service| exposure.shows_service(service, paths))
                    .cloned()
                    .collect();
                let services = Services::new(&pool, &shown, reflection);
                let methods = methods(&pool, registered, &services);
                Some(Self { pool, routes, services, methods })
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

    /// The messages of calls that write them as JSON.
    pub(crate) fn messages(&self) -> Messages {
        self.methods.values().cloned().collect()
    }

    /// Connect's methods, of `registered` paths (with whether they are unary) and of the services answered here.
    pub(crate) fn connect<'a>(
        &'a self,
        registered: impl Iterator<Item = (&'a str, bool)>,
        exposure: &Exposure,
    ) -> narthex_connect::Methods {
        let is_unary = |path: &str| {
            self.methods
                .get(path)
                .is_none_or(|method| !method.is_client_streaming() && !method.is_server_streaming())
        };
        let ours = self.services.paths().map(|path| (path, is_unary(path)));
        let shape = |path: &str, is_unary: bool| match self.methods.get(path) {
            _ if !is_unary => Shape::Stream,
            method => Shape::Unary { safe: method.is_some_and(Method::has_no_side_effects) },
        };
        registered
            .chain(ours)
            .filter(|(path, _)| exposure.connect.allows(path))
            .map(|(path, is_unary)| (path, shape(path, is_unary)))
            .collect()
    }
}

/// The methods of the services answered here, and those of the registered ones, which win.
fn methods(pool: &Pool, registered: &[String], services: &Services) -> HashMap<String, Method> {
    let theirs = registered.iter().filter_map(|name| pool.service(name));
    let mut methods = HashMap::new();
    for service in services.descriptors().services().chain(theirs) {
        methods.extend(service.methods().map(|method| (method.path(), method)));
    }
    methods
}
