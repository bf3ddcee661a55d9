//! The annotations of the hosted services to a route table.

use narthex_protojson::{Method, Pool};
use percent_encoding::percent_decode_str;
use rustc_hash::FxHashMap;

use crate::error::{SchemaError, SchemaProblem};
use crate::route::{Route, RouteTable};
use crate::rule::{self, Binding, problem};
use crate::template::Segment;

impl RouteTable {
    /// Builds the table from the google.api.http annotations of these services.
    ///
    /// A service that the pool does not know is served as gRPC alone, and the bindings of a streaming method are answered
    /// with UNIMPLEMENTED; [`RouteTable::notes`] says so. Bindings may overlap: a literal segment goes before `*`, and `*` before `**`.
    ///
    /// # Errors
    ///
    /// All problems of all bindings: templates that do not parse, variables and bodies that name no fitting field, and
    /// bindings of one HTTP method whose templates are the same but for the names of their variables.
    pub fn build(pool: &Pool, services: &[String]) -> Result<Self, SchemaError> {
        let mut table = Self::new(pool.clone());
        let mut problems = Vec::new();
        let mut taken = FxHashMap::default();
        for name in services {
            let Some(service) = pool.service(name) else {
                table.note(format!("{name} has no descriptor: it is served as gRPC alone, without JSON"));
                continue;
            };
            for method in service.methods() {
                for binding in method_bindings(&method, &mut table, &mut problems) {
                    if is_free(&binding, &mut taken, &mut problems) {
                        table.insert(Route::new(&method, binding));
                    }
                }
            }
        }
        if problems.is_empty() { Ok(table) } else { Err(SchemaError::new(problems)) }
    }
}

fn method_bindings(
    method: &Method,
    table: &mut RouteTable,
    problems: &mut Vec<SchemaProblem>,
) -> Vec<Binding> {
    let Some(rule) = method.http_rule() else { return Vec::new() };
    if method.is_client_streaming() || method.is_server_streaming() {
        table.note(format!(
            "{} is a streaming method: its HTTP binding is answered with UNIMPLEMENTED, only gRPC reaches it",
            method.full_name()
        ));
    }
    rule::bindings(method, rule, problems)
}

/// Whether no other binding matches exactly the same requests.
fn is_free(
    binding: &Binding,
    taken: &mut FxHashMap<(String, Vec<u8>), String>,
    problems: &mut Vec<SchemaProblem>,
) -> bool {
    match taken.entry((binding.http_method.clone(), erased(binding))) {
        std::collections::hash_map::Entry::Vacant(free) => {
            free.insert(binding.place.clone());
            true
        }
        std::collections::hash_map::Entry::Occupied(other) => {
            let message =
                format!("{} {} is bound already by {}", binding.http_method, binding.template, other.get());
            problems.push(problem(
                &binding.place,
                &message,
                "give one of them another path, HTTP method or verb",
            ));
            false
        }
    }
}

/// The template without its variables; literals are decoded, since `%41` is `A`.
fn erased(binding: &Binding) -> Vec<u8> {
    let mut key = Vec::new();
    for segment in &binding.template.segments {
        match segment {
            Segment::Literal(text) => {
                key.push(b'/');
                key.extend(percent_decode_str(text));
            }
            // Neither byte can come from a literal's decoded text right after a slash without being told apart by it.
            Segment::Any => key.extend_from_slice(b"\0*"),
            Segment::Rest => key.extend_from_slice(b"\0**"),
        }
    }
    if let Some(verb) = &binding.template.verb {
        key.extend_from_slice(b"\0:");
        key.extend_from_slice(verb.as_bytes());
    }
    key
}
