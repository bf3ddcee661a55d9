//! What the descriptors of the registered services give: JSON routes, the messages of JSON calls, Connect's methods, reflection,
//! health.

use std::collections::HashMap;

use narthex_connect::Shape;
use narthex_grpc_json::Messages;
use narthex_protojson::{Method, Pool, PoolError};
use narthex_services::Services;
use narthex_transcode::{RouteTable, Rules};
use pyo3::prelude::*;

use crate::config::{Config, Problem};
use crate::exposure::{Exposure, Registered};

/// Everything that is made from descriptors.
pub(crate) struct Schema {
    pub(crate) pool: Pool,
    pub(crate) routes: RouteTable,
    pub(crate) services: Services,
    /// The methods that have a descriptor, by path: the registered ones', and those of the services answered here.
    methods: HashMap<String, Method>,
}

impl Schema {
    /// Reads the descriptors of the `registered` services, whose methods that can be listed are at `paths`; `None` if that is
    /// not possible, with every fault a problem. `before` are the services of a schema that this one replaces.
    pub(crate) fn read(
        pool: Pool,
        registered: &[String],
        paths: &[&str],
        exposure: &Exposure,
        config: &Config,
        before: Option<&Services>,
        problems: &mut Vec<Problem>,
    ) -> Option<Self> {
        let rules = rules(&pool, exposure, config, problems);
        let routes = route_table(&pool, registered, &rules, problems)?;
        // What a user has to know of these, the start-up says by itself.
        for note in routes.notes() {
            tracing::debug!("{note}");
        }
        let shown = registered.iter().filter(|service| exposure.shows_service(service, paths));
        let shown: Vec<String> = shown.cloned().collect();
        let services = match before {
            None => Services::new(&pool, &shown, config.reflection),
            Some(before) => before.renewed(&pool, &shown),
        };
        let methods = methods(&pool, registered, &services);
        Some(Self { pool, routes, services, methods })
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

/// The pool of a serialized `FileDescriptorSet`.
pub(crate) fn read_pool(descriptor_set: &[u8], problems: &mut Vec<Problem>) -> Option<Pool> {
    pool_or_problems(Pool::from_file_descriptor_set(descriptor_set), problems)
}

/// The pool, or what is wrong with it as problems.
pub(crate) fn pool_or_problems(pool: Result<Pool, PoolError>, problems: &mut Vec<Problem>) -> Option<Pool> {
    pool.map_err(|error| {
        let hint = "regenerate the code of this file with grpc_tools.protoc, and restart";
        let all = error.problems().iter();
        problems.extend(all.map(|problem| (problem.file.clone(), problem.message.clone(), hint.to_owned())));
    })
    .ok()
}

/// How HTTP is bound to the methods of this pool.
fn rules(pool: &Pool, exposure: &Exposure, config: &Config, problems: &mut Vec<Problem>) -> Rules {
    let mut rules = Rules { exposed: exposure.json.clone(), ..config.transcoding.rules(problems) };
    if !config.upstreams.is_empty() {
        leave_out_unknown(&mut rules, pool);
    }
    rules
}

/// A configured rule may be of a method that an upstream has still to tell of.
fn leave_out_unknown(rules: &mut Rules, pool: &Pool) {
    rules.configured.retain(|(selector, _)| {
        let found = selector
            .rsplit_once('.')
            .and_then(|(service, name)| Some((pool.service(service)?, name)))
            .is_some_and(|(service, name)| service.methods().any(|method| method.name() == name));
        if !found {
            tracing::debug!("the rule for {selector} selects no method that is known so far");
        }
        found
    });
}

fn route_table(
    pool: &Pool,
    registered: &[String],
    rules: &Rules,
    problems: &mut Vec<Problem>,
) -> Option<RouteTable> {
    RouteTable::with_rules(pool, registered, rules)
        .map_err(|error| {
            let all = error.problems().iter();
            problems.extend(
                all.map(|problem| (problem.place.clone(), problem.message.clone(), problem.hint.clone())),
            );
        })
        .ok()
}

/// The routes that these services would have, with the pool they are of.
pub(crate) fn table(
    config: &Config,
    services: &[String],
    descriptor_set: &[u8],
    problems: &mut Vec<Problem>,
) -> Option<(Pool, RouteTable)> {
    let pool = read_pool(descriptor_set, problems)?;
    let known = services.iter().filter_map(|name| pool.service(name));
    let paths: Vec<String> =
        known.flat_map(|service| service.methods().map(|method| method.path()).collect::<Vec<_>>()).collect();
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    let and_unknown = config.upstreams.has_default();
    let registered = Registered { paths: &paths, services, and_unknown };
    let exposure = Exposure::read(&config.expose, &registered, problems);
    let rules = rules(&pool, &exposure, config, problems);
    let table = route_table(&pool, services, &rules, problems)?;
    Some((pool, table))
}

/// The route table of these services: HTTP method, template, method and which of its bindings. What is wrong is the second list.
#[pyfunction]
#[expect(clippy::needless_pass_by_value, reason = "what Python gives is extracted by value")]
pub(crate) fn routes(
    config: Config,
    services: Vec<String>,
    descriptor_set: &[u8],
) -> (Vec<(String, String, String)>, Vec<Problem>) {
    let mut problems = Vec::new();
    let table = table(&config, &services, descriptor_set, &mut problems);
    let routes = table.iter().flat_map(|(_, table)| table.routes());
    let rows = routes
        .map(|route| (route.http_method().to_owned(), route.template().to_string(), route.place().to_owned()))
        .collect();
    (rows, problems)
}
