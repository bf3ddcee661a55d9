//! What a stack is made of, whatever descriptors there are: so it can be made again when an upstream has told its own.

use std::sync::Arc;

use narthex_asgi::{App, AppService};
use narthex_connect::ConnectLayer;
use narthex_grpc_json::GrpcJsonLayer;
use narthex_protojson::{Pool, join_descriptor_sets};
use narthex_servicer::{Registry, Servicer};
use narthex_services::{Discovered, Services};
use narthex_upstream::Directory;

use crate::config::{Config, Problem};
use crate::described::Wanted;
use crate::exposure::{Exposure, Registered};
use crate::schema::{self, Schema};
use crate::stack::Parts;

/// The parts of a stack that stay as they are.
pub(crate) struct Blueprint {
    pub(crate) config: Arc<Config>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) servicer: Servicer,
    pub(crate) app: Option<App>,
    /// The services that are registered here, and a serialized `FileDescriptorSet` of theirs.
    pub(crate) services: Vec<String>,
    pub(crate) descriptor_set: Vec<u8>,
    pub(crate) directory: Arc<Directory>,
}

/// What upstreams and files have told so far.
#[derive(Clone, Default)]
pub(crate) struct Told {
    /// Each with services that are to be found at one upstream, or that a file describes.
    pub(crate) discovered: Vec<Discovered>,
    /// What is said while others have not told anything yet.
    pub(crate) expected: Option<Arc<str>>,
}

impl Blueprint {
    /// Which services are taken from files.
    pub(crate) fn wanted(&self) -> Wanted<'_> {
        Wanted {
            registered: &self.services,
            descriptor_set: &self.descriptor_set,
            directory: &self.directory,
            and_others: false,
        }
    }

    /// What the layers are made of; what cannot be is a problem. `before` are the services of the stack that this one replaces.
    pub(crate) fn parts(
        &self,
        told: &Told,
        before: Option<&Services>,
        problems: &mut Vec<Problem>,
    ) -> Option<Parts> {
        let config = &*self.config;
        let pool = self.pool(told, problems);
        let services = self.services_with(told);
        let elsewhere = pool.as_ref().map(|pool| self.elsewhere(pool, told)).unwrap_or_default();
        let paths: Vec<&str> =
            self.registry.paths().chain(elsewhere.iter().map(|(path, _)| path.as_str())).collect();
        let registered =
            Registered { paths: &paths, services: &services, and_unknown: self.directory.has_default() };
        let exposure = Exposure::read(&config.expose, &registered, problems);
        let schema =
            pool.and_then(|pool| Schema::read(pool, &services, &paths, &exposure, config, before, problems));
        let cors = config.cors(problems);
        let http_over_grpc =
            config.http_over_grpc_from(problems).map(|trust| (trust, config.max_message_body()));
        let base = config.openapi.base(problems);
        let (schema, base) = (schema?, base?);
        let openapi = config.openapi.layer(&schema.pool, &schema.routes, config, &base);
        let cardinalities = elsewhere.iter().map(|(path, is_unary)| (path.as_str(), *is_unary));
        Some(Parts {
            pool: schema.pool.clone(),
            access_log: config.access_log,
            cors,
            connect: ConnectLayer::new(
                schema.connect(self.registry.cardinalities().chain(cardinalities), &exposure),
                schema.pool.clone(),
                config.grpc_max_message,
            ),
            grpc_json: GrpcJsonLayer::new(
                schema.messages(),
                config.grpc_max_message,
                self.servicer.options().enabled,
            ),
            openapi,
            routes: Arc::new(schema.routes),
            transcode: config.transcoding.options(config.api_prefixes.clone(), config.max_message_body()),
            methods: paths
                .iter()
                .filter(|path| exposure.shows(path))
                .map(|path| Box::from(*path))
                .chain(schema.services.paths().map(Box::from))
                .collect(),
            services: schema.services,
            http_over_grpc,
            servicer: self.servicer.clone(),
            upstreams: (!self.directory.is_empty()).then(|| Arc::clone(&self.directory)),
            expected: told.expected.clone(),
            app: self.app.clone().map(AppService::new),
            grpc: exposure.grpc,
            grpc_web: exposure.grpc_web,
        })
    }

    /// All descriptors there are, those of this process first.
    fn pool(&self, told: &Told, problems: &mut Vec<Problem>) -> Option<Pool> {
        if told.discovered.is_empty() {
            return schema::read_pool(&self.descriptor_set, problems);
        }
        let others = told.discovered.iter().map(|discovered| &*discovered.descriptor_set);
        let joined = join_descriptor_sets([&*self.descriptor_set].into_iter().chain(others));
        schema::pool_or_problems(joined.and_then(|set| Pool::from_file_descriptor_set(&set)), problems)
    }

    /// The names of the services that are known, here and elsewhere.
    fn services_with(&self, told: &Told) -> Vec<String> {
        let others = told.discovered.iter().flat_map(|discovered| &discovered.services);
        let mut services = self.services.clone();
        for name in others.map(String::as_str).chain(self.directory.names()) {
            if !services.iter().any(|known| known == name) {
                services.push(name.to_owned());
            }
        }
        services
    }

    /// The methods of the services that upstreams have, and whether they are unary.
    fn elsewhere(&self, pool: &Pool, told: &Told) -> Vec<(String, bool)> {
        let names = told.discovered.iter().flat_map(|discovered| &discovered.services);
        // A file may describe what is registered too.
        let others = names.filter(|name| !self.services.contains(name));
        let services = others.filter_map(|name| pool.service(name));
        let methods = services.flat_map(|service| service.methods().collect::<Vec<_>>());
        methods
            .map(|method| (method.path(), !method.is_client_streaming() && !method.is_server_streaming()))
            .collect()
    }
}
