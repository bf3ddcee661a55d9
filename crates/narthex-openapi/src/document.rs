//! All routes as one document.

use narthex_protojson::Pool;
use narthex_transcode::{Options, Route, RouteTable};
use rustc_hash::{FxHashMap, FxHashSet};
use serde_json::{Map, Value, json};

use crate::base::Base;
use crate::comment;
use crate::names::ResourceNames;
use crate::operation;
use crate::path::Path;
use crate::schema::Schemas;

/// The HTTP methods that OpenAPI 3.1 has words for.
const METHODS: [&str; 8] = ["GET", "PUT", "POST", "DELETE", "OPTIONS", "HEAD", "PATCH", "TRACE"];
/// What a binding to all methods is described as; the others would say nothing more.
const ANY: [&str; 5] = ["GET", "PUT", "POST", "DELETE", "PATCH"];
/// Where operations of all other methods are: OpenAPI 3.2 has `additionalOperations`, and this is the name of that in 3.1, as
/// registered by the OpenAPI Initiative (<https://spec.openapis.org/registry/namespace/oai.html>).
const ADDITIONAL: &str = "x-oai-additionalOperations";

/// The OpenAPI 3.1 document of these routes, as JSON.
///
/// `pool` is the one the table was built from. A method's own path (`POST /pkg.Service/Method`) is left out where `own_paths`
/// is false: every method has one, beside what its rule says.
pub fn document(pool: &Pool, routes: &RouteTable, options: &Options, own_paths: bool, base: &Base) -> String {
    let declarations = pool.declarations();
    let names = ResourceNames::new(&declarations);
    let mut schemas = Schemas::new(&declarations, options.write);
    let status = pool.message("google.rpc.Status").map(|status| schemas.message(&status)).unwrap_or_default();
    let mut writer =
        Writer { paths: Map::new(), names, shapes: FxHashMap::default(), ids: OperationIds::default() };
    let mut services: Vec<&str> = Vec::new();
    for route in routes.routes().iter().filter(|route| own_paths || !route.is_auto()) {
        let path = writer.path(route);
        let described = operation::operation(route, &path, options, &status, &mut schemas);
        writer.insert(route, &path, &described);
        let (service, _) = operation::names(route);
        if !services.contains(&service) {
            services.push(service);
        }
    }
    let tag = |service: &&str| match declarations.comment(service).and_then(comment::description) {
        Some(comment) => json!({"name": service, "description": comment}),
        None => json!({"name": service}),
    };
    let tags = services.iter().map(tag).collect();
    base.with(writer.paths, schemas.finish(), tags).to_string()
}

struct Writer {
    paths: Map<String, Value>,
    names: ResourceNames,
    /// The first path of each shape: the others have to have its names.
    shapes: FxHashMap<String, Path>,
    ids: OperationIds,
}

impl Writer {
    fn path(&mut self, route: &Route) -> Path {
        let path = Path::of(route, &self.names);
        let first = self.shapes.entry(path.shape()).or_insert_with(|| path.clone());
        path.renamed(first)
    }

    fn insert(&mut self, route: &Route, path: &Path, described: &Value) {
        let item = self.paths.entry(path.to_string()).or_insert_with(|| json!({}));
        let methods = if route.http_method() == "*" { ANY.as_slice() } else { &[route.http_method()] };
        for method in methods {
            let key = method.to_ascii_lowercase();
            let is_known = METHODS.contains(method);
            let place = if is_known { &mut item[key] } else { &mut item[ADDITIONAL][*method] };
            let is_free = place.is_null();
            if is_free {
                let mut described = described.clone();
                described["operationId"] = json!(self.ids.free(route));
                *place = described;
            }
            if !is_known || (!is_free && route.http_method() != "*") {
                // Another method than OpenAPI 3.1 knows, or a template that differs only in what its variables may hold.
                let template = route.template().to_string();
                let line = format!("Also {method} {template}, which is {}.", route.place());
                let before =
                    item.get("description").and_then(Value::as_str).map(|text| format!("{text}\n\n"));
                item["description"] = json!(before.unwrap_or_default() + &line);
            }
        }
    }
}

/// The ids of operations, no two of which are the same.
#[derive(Default)]
struct OperationIds {
    taken: FxHashSet<String>,
    /// The service that each short name stands for.
    short: FxHashMap<String, String>,
}

impl OperationIds {
    /// `ShopService_GetBook`, with the package where another service of that name has taken it, and a number for each further
    /// binding.
    fn free(&mut self, route: &Route) -> String {
        let (service, method) = operation::names(route);
        let short = service.rsplit('.').next().unwrap_or(service);
        let owner = self.short.entry(short.to_owned()).or_insert_with(|| service.to_owned());
        let service = if owner == service { short.to_owned() } else { service.replace('.', "_") };
        let plain = format!("{service}_{method}");
        let numbered = (2..).map(|number| format!("{plain}_{number}"));
        let mut wanted = std::iter::once(plain.clone()).chain(numbered);
        wanted.find(|id| self.taken.insert(id.clone())).unwrap_or(plain)
    }
}
