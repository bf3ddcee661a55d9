//! The rules of the hosted services to a route table.

use narthex_protojson::{HttpRule, Method, Pattern, Pool};
use narthex_wire::Exposed;
use percent_encoding::percent_decode_str;
use rustc_hash::FxHashMap;

use crate::error::{SchemaError, SchemaProblem};
use crate::route::{Route, RouteTable};
use crate::rule::{self, Binding, problem};
use crate::template::{Dialect, Segment};

/// Where rules come from beside the annotations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// Binds `POST /pkg.Service/Method`, with the whole message as its JSON body, where no rule has that path.
    pub auto_mapping: bool,
    /// Rules by the full name of their method, as a service config has them; such a rule stands in for the annotation.
    pub configured: Vec<(String, HttpRule)>,
    /// How templates are read and matched.
    pub dialect: Dialect,
    /// Any word after a colon in the last segment of a path is a verb, whether a template has it or not.
    pub unregistered_verbs: bool,
    /// The methods that are public as JSON; the others have no routes.
    pub exposed: Exposed,
}

impl Default for Rules {
    fn default() -> Self {
        let dialect = Dialect::Specification;
        Self {
            auto_mapping: true,
            configured: Vec::new(),
            dialect,
            unregistered_verbs: false,
            exposed: Exposed::default(),
        }
    }
}

impl Rules {
    /// As Envoy reads them.
    pub fn envoy() -> Self {
        Self { dialect: Dialect::Envoy, ..Self::default() }
    }
}

impl RouteTable {
    /// Builds the table from the google.api.http annotations of these services, and from their methods' own paths.
    ///
    /// # Errors
    ///
    /// Those of [`RouteTable::with_rules`].
    pub fn build(pool: &Pool, services: &[String]) -> Result<Self, SchemaError> {
        Self::with_rules(pool, services, &Rules::default())
    }

    /// Builds the table of these services from their annotations and from `rules`.
    ///
    /// A service that the pool does not know is served as gRPC alone; [`RouteTable::notes`] says so. Bindings may overlap: a
    /// literal segment goes before `*`, and `*` before `**`.
    ///
    /// # Errors
    ///
    /// All problems of all bindings: templates that do not parse, variables and bodies that name no fitting field,
    /// bindings of one HTTP method whose templates are the same but for the names of their variables, and configured
    /// rules that select no method.
    pub fn with_rules(pool: &Pool, services: &[String], rules: &Rules) -> Result<Self, SchemaError> {
        let mut builder = Builder {
            table: Self::new(pool.clone(), rules.dialect, rules.unregistered_verbs),
            problems: Vec::new(),
            taken: FxHashMap::default(),
        };
        let mut methods = Vec::new();
        for name in services {
            let Some(service) = pool.service(name) else {
                builder
                    .table
                    .note(format!("{name} has no descriptor: it is served as gRPC alone, without JSON"));
                continue;
            };
            for method in service.methods().filter(|method| rules.exposed.allows(&method.path())) {
                builder.bind(&method, rules);
                methods.push(method);
            }
        }
        builder.check_selectors(pool, rules);
        if rules.auto_mapping {
            // Last, since a rule that names such a path itself goes first.
            for method in &methods {
                builder.bind_own_path(method);
            }
        }
        let Builder { table, problems, .. } = builder;
        if problems.is_empty() { Ok(table) } else { Err(SchemaError::new(problems)) }
    }
}

struct Builder {
    table: RouteTable,
    problems: Vec<SchemaProblem>,
    /// What is bound, and by whom.
    taken: FxHashMap<(String, Vec<u8>), String>,
}

impl Builder {
    fn bind(&mut self, method: &Method, rules: &Rules) {
        // Where several rules select a method, the last one counts (google/api/http.proto).
        let configured = rules.configured.iter().rfind(|(selector, _)| selector == method.full_name());
        let Some(rule) = configured.map(|(_, rule)| rule).or_else(|| method.http_rule()) else { return };
        for binding in rule::bindings(method, rule, rules.dialect, &mut self.problems) {
            if is_free(&binding, &mut self.taken, &mut self.problems) {
                self.table.insert(Route::new(method, binding));
            }
        }
    }

    fn bind_own_path(&mut self, method: &Method) {
        let rule = HttpRule {
            pattern: Some(Pattern::Post(method.path())),
            body: "*".to_owned(),
            ..HttpRule::default()
        };
        for binding in rule::bindings(method, &rule, Dialect::Specification, &mut self.problems) {
            let key = (binding.http_method.clone(), erased(&binding));
            if !self.taken.contains_key(&key) {
                self.table.insert(Route::of_own_path(method, binding));
            }
        }
    }

    /// A configured rule that selects nothing is a typing error, unless its method is simply not hosted here.
    fn check_selectors(&mut self, pool: &Pool, rules: &Rules) {
        for (selector, _) in &rules.configured {
            let known = selector.rsplit_once('.').and_then(|(service, name)| {
                pool.service(service)?.methods().find(|method| method.name() == name)
            });
            if known.is_none() {
                let hint = "a selector is the full name of a method, as in shop.v1.ShopService.GetBook";
                self.problems.push(problem(selector, "the rule selects no method", hint));
            }
        }
    }
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
