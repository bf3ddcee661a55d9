//! All routes as one document.

use narthex_protojson::Pool;
use narthex_transcode::{Options, Route, RouteTable, Segment};
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
    let routes = routes.routes().iter().filter(|route| own_paths || !route.is_auto());
    let mut paths = Paths { names, shapes: FxHashMap::default() };
    let routes: Vec<(&Route, Path)> = routes.map(|route| (route, paths.of(route))).collect();
    let mut writer = Writer { paths: Map::new(), firsts: firsts(&routes), ids: OperationIds::default() };
    let mut services: Vec<&str> = Vec::new();
    for (route, path) in &routes {
        let described = operation::operation(route, path, options, &status, &mut schemas);
        writer.insert(route, path, &described);
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

/// The paths of routes.
struct Paths {
    names: ResourceNames,
    /// The first path of each shape: the others have to have its names.
    shapes: FxHashMap<String, Path>,
}

impl Paths {
    fn of(&mut self, route: &Route) -> Path {
        let path = Path::of(route, &self.names);
        let first = self.shapes.entry(path.shape()).or_insert_with(|| path.clone());
        path.renamed(first)
    }
}

/// The methods that a route is described as.
fn methods(route: &Route) -> Vec<&str> {
    if route.http_method() == "*" { ANY.to_vec() } else { vec![route.http_method()] }
}

/// The route that a request goes to first, by path and HTTP method: the one with an operation there, wherever it is declared.
fn firsts<'a>(routes: &[(&'a Route, Path)]) -> FxHashMap<(String, String), &'a Route> {
    // As the transcoder looks them up: segment by segment `*` before `**`, and only then a method before all of them.
    let rank = |route: &Route| {
        let rests = route.template().segments.iter().map(|segment| *segment == Segment::Rest);
        (rests.collect::<Vec<_>>(), route.http_method() == "*")
    };
    let mut firsts: FxHashMap<(String, String), &Route> = FxHashMap::default();
    for (route, path) in routes {
        for method in methods(route) {
            let first = firsts.entry((path.to_string(), method.to_owned())).or_insert(*route);
            if rank(route) < rank(first) {
                *first = *route;
            }
        }
    }
    firsts
}

struct Writer<'a> {
    paths: Map<String, Value>,
    /// What has the operation of a path and an HTTP method.
    firsts: FxHashMap<(String, String), &'a Route>,
    ids: OperationIds,
}

impl Writer<'_> {
    fn insert(&mut self, route: &Route, path: &Path, described: &Value) {
        let path = path.to_string();
        let item = self.paths.entry(path.clone()).or_insert_with(|| json!({}));
        for method in methods(route) {
            let key = method.to_ascii_lowercase();
            let is_known = METHODS.contains(&method);
            let first = self.firsts.get(&(path.clone(), method.to_owned()));
            let is_first = first.is_some_and(|first| std::ptr::eq(*first, route));
            if is_first {
                let mut described = described.clone();
                described["operationId"] = json!(self.ids.free(route));
                let place = if is_known { &mut item[key] } else { &mut item[ADDITIONAL][method] };
                *place = described;
            }
            if !is_known || (!is_first && route.http_method() != "*") {
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
