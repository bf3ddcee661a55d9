//! `narthex.openapi.OpenApi`: what is described, and where that and the page that shows it are served.

use std::sync::Arc;

use http::HeaderValue;
use narthex_openapi::{Base, OpenApiLayer, Resource, document};
use narthex_protojson::Pool;
use narthex_transcode::RouteTable;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::config::{Config, Problem};
use crate::schema;

/// `narthex.openapi.OpenApi`; Python has read the file.
#[derive(Debug, FromPyObject)]
pub(crate) struct OpenApi {
    path: Option<String>,
    base: Option<(String, String)>,
    own_paths: bool,
    page: Option<Page>,
}

/// `narthex.openapi_page.Page`: where each of its files is. They are compressed once, and not with every new route table.
#[derive(Debug)]
struct Page(Vec<(String, Arc<Resource>)>);

impl FromPyObject<'_, '_> for Page {
    type Error = PyErr;

    fn extract(page: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        let policy = header(&page.getattr("policy")?.extract::<String>()?)?;
        let files = page.getattr("files")?.try_iter()?.map(|file| {
            let (path, media_type, content): (String, String, Vec<u8>) = file?.extract()?;
            let resource = Resource::new(header(&media_type)?, content).with_policy(policy.clone());
            Ok((path, Arc::new(resource)))
        });
        files.collect::<PyResult<_>>().map(Self)
    }
}

fn header(text: &str) -> PyResult<HeaderValue> {
    HeaderValue::try_from(text).map_err(|error| PyValueError::new_err(error.to_string()))
}

impl OpenApi {
    /// The layer that serves the document and its page; `None` if they are not served.
    pub(crate) fn layer(
        &self,
        pool: &Pool,
        routes: &RouteTable,
        config: &Config,
        base: &Base,
    ) -> Option<OpenApiLayer> {
        let path = self.path.clone()?;
        let document = self.document(pool, routes, config, base);
        let document = Resource::new(HeaderValue::from_static("application/json"), document);
        let page = self.page.iter().flat_map(|page| page.0.iter().cloned());
        Some(OpenApiLayer::new(page.chain([(path, Arc::new(document))])))
    }

    fn document(&self, pool: &Pool, routes: &RouteTable, config: &Config, base: &Base) -> String {
        let options = config.transcoding.options(Vec::new(), config.max_message_body());
        document(pool, routes, &options, self.own_paths, base)
    }

    /// What the user says of the document; read before anything is known of the rest, so that all faults are told together.
    pub(crate) fn base(&self, problems: &mut Vec<Problem>) -> Option<Base> {
        let Some((name, text)) = &self.base else { return Some(Base::default()) };
        Base::parse(text)
            .map_err(|error| {
                let hint =
                    "write info:, servers:, security: and components: securitySchemes: as OpenAPI has them";
                problems.push((format!("--openapi-base {name}"), error.to_string(), hint.to_owned()));
            })
            .ok()
    }
}

/// The OpenAPI document of these services, and all problems; it is empty if there are any.
#[pyfunction]
#[expect(clippy::needless_pass_by_value, reason = "what Python gives is extracted by value")]
pub(crate) fn openapi(
    config: Config,
    services: Vec<String>,
    descriptor_set: &[u8],
) -> (String, Vec<Problem>) {
    let mut problems = Vec::new();
    let base = config.openapi.base(&mut problems);
    let table = schema::table(&config, &services, descriptor_set, &mut problems);
    let document =
        table.zip(base).map(|((pool, table), base)| config.openapi.document(&pool, &table, &config, &base));
    (document.unwrap_or_default(), problems)
}
