//! All routes as one document.

use narthex_protojson::Pool;
use narthex_transcode::{Options, Route, RouteTable};
use rustc_hash::{FxHashMap, FxHashSet};
use serde_json::{Map, Value, json};

use crate::base::Base;
use crate::operation::{self, names};
use crate::path::Path;
use crate::schema::Schemas;

/// The HTTP methods that OpenAPI 3.1 has words for.
const METHODS: [&str; 8] = ["GET", "PUT", "POST", "DELETE", "OPTIONS", "HEAD", "PATCH", "TRACE"];
/// What a binding to all methods is described as; the others would say nothing more.
const ANY: [&str; 5] = ["GET", "PUT", "POST", "DELETE", "PATCH"];

/// The OpenAPI 3.1 document of these routes, as JSON.
///
/// `pool` is the one the table was built from. A method's own path (`POST /pkg.Service/Method`) is left out where `own_paths`
/// is false: every method has one, beside what its rule says.
pub fn document(pool: &Pool, routes: &RouteTable, options: &Options, own_paths: bool, base: &Base) -> String {
    let declarations = pool.declarations();
    let mut schemas = Schemas::new(&declarations, options.write);
    let status = pool.message("google.rpc.Status").map(|status| schemas.message(&status)).unwrap_or_default();
    let mut writer = Writer { paths: Map::new(), shapes: FxHashMap::default(), ids: FxHashSet::default() };
    let mut services: Vec<&str> = Vec::new();
    for route in routes.routes().iter().filter(|route| own_paths || !route.is_auto()) {
        let path = writer.path(route);
        let described = operation::operation(route, &path, options, &status, &mut schemas);
        writer.insert(route, &path, &described);
        let (service, _) = names(route);
        if !services.contains(&service) {
            services.push(service);
        }
    }
    let tag = |service: &&str| match declarations.comment(service) {
        Some(comment) => json!({"name": service, "description": comment}),
        None => json!({"name": service}),
    };
    let tags = services.iter().map(tag).collect();
    base.with(writer.paths, schemas.finish(), tags).to_string()
}

struct Writer {
    paths: Map<String, Value>,
    /// The first path of each shape: the others have to have its names.
    shapes: FxHashMap<String, Path>,
    ids: FxHashSet<String>,
}

impl Writer {
    fn path(&mut self, route: &Route) -> Path {
        let path = Path::of(route);
        let first = self.shapes.entry(path.shape()).or_insert_with(|| path.clone());
        path.renamed(first)
    }

    fn insert(&mut self, route: &Route, path: &Path, described: &Value) {
        let item = self.paths.entry(path.to_string()).or_insert_with(|| json!({}));
        let methods = if route.http_method() == "*" { ANY.as_slice() } else { &[route.http_method()] };
        for method in methods {
            let key = method.to_ascii_lowercase();
            if METHODS.contains(method) && item.get(&key).is_none() {
                let mut described = described.clone();
                described["operationId"] = json!(free_id(&mut self.ids, route));
                item[key] = described;
            } else if route.http_method() != "*" {
                // Another method than OpenAPI knows, or a template that differs only in what its variables may hold.
                let template = route.template().to_string();
                let line = format!("Also {method} {template}, which is {}.", route.place());
                let before =
                    item.get("description").and_then(Value::as_str).map(|text| format!("{text}\n\n"));
                item["description"] = json!(before.unwrap_or_default() + &line);
            }
        }
    }
}

/// `ShopService_GetBook`, with the package or a number where that is taken.
fn free_id(ids: &mut FxHashSet<String>, route: &Route) -> String {
    let (service, method) = names(route);
    let short = service.rsplit('.').next().unwrap_or(service);
    let plain = format!("{short}_{method}");
    let numbered = (2..).map(|number| format!("{}_{method}_{number}", service.replace('.', "_")));
    let mut wanted = std::iter::once(plain.clone()).chain(numbered);
    wanted.find(|id| ids.insert(id.clone())).unwrap_or(plain)
}
