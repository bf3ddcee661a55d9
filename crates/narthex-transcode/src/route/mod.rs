//! The route table: which binding an HTTP method and a path match.

mod trie;

use http::uri::PathAndQuery;
use http::{Method as HttpMethod, Uri};
use narthex_protojson::{Method, Pool};

use crate::rule::{Binding, Capture, Edge, RequestBody, ResponseBody};
use crate::template::{Dialect, Template};
use trie::Trie;

/// All routes of a server; built once by [`RouteTable::build`], then read only.
#[derive(Debug)]
pub struct RouteTable {
    pool: Pool,
    routes: Vec<Route>,
    trie: Trie,
    notes: Vec<String>,
}

/// A compiled binding.
#[derive(Debug)]
pub struct Route {
    place: String,
    http_method: String,
    template: Template,
    target: Uri,
    pub(crate) client_streams: bool,
    pub(crate) server_streams: bool,
    /// Bound by the method's own path, without a rule.
    pub(crate) is_auto: bool,
    pub(crate) captures: Vec<Capture>,
    pub(crate) input: narthex_protojson::Message,
    pub(crate) body: RequestBody,
    pub(crate) response: ResponseBody,
}

/// A route with the part of the path that its template describes.
#[derive(Debug, Clone, Copy)]
pub struct Match<'t, 'p> {
    /// The route that matches.
    pub route: &'t Route,
    index: usize,
    path: &'p str,
}

impl Route {
    pub(crate) fn new(method: &Method, binding: Binding) -> Self {
        let Binding { place, http_method, template, captures, body, response } = binding;
        let path = PathAndQuery::try_from(method.path()).expect("protobuf names are valid in a path");
        Self {
            place,
            http_method,
            template,
            target: Uri::from(path),
            client_streams: method.is_client_streaming(),
            server_streams: method.is_server_streaming(),
            is_auto: false,
            captures,
            input: method.input(),
            body,
            response,
        }
    }

    /// The method's own path, bound without a rule.
    pub(crate) fn of_own_path(method: &Method, binding: Binding) -> Self {
        let place = format!("{}, its own path", method.full_name());
        Self { place, is_auto: true, ..Self::new(method, binding) }
    }

    /// The gRPC method and which of its bindings this is.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// The HTTP method, `*` for all.
    pub fn http_method(&self) -> &str {
        &self.http_method
    }

    /// The path template.
    pub fn template(&self) -> &Template {
        &self.template
    }

    /// The variables of the template, in its order.
    pub fn captures(&self) -> &[Capture] {
        &self.captures
    }

    /// The request message.
    pub fn input(&self) -> &narthex_protojson::Message {
        &self.input
    }

    /// What the HTTP body of a request is.
    pub fn request_body(&self) -> &RequestBody {
        &self.body
    }

    /// What the HTTP body of a response is.
    pub fn response_body(&self) -> &ResponseBody {
        &self.response
    }

    /// Whether a request holds a stream of messages.
    pub fn client_streams(&self) -> bool {
        self.client_streams
    }

    /// Whether a response holds a stream of messages.
    pub fn server_streams(&self) -> bool {
        self.server_streams
    }

    /// Whether it is the method's own path, bound without a rule.
    pub fn is_auto(&self) -> bool {
        self.is_auto
    }

    /// The path of the gRPC method (`/shop.v1.ShopService/GetBook`).
    pub fn target(&self) -> &Uri {
        &self.target
    }
}

impl RouteTable {
    pub(crate) fn new(pool: Pool, dialect: Dialect, any_verb: bool) -> Self {
        Self { pool, routes: Vec::new(), trie: Trie::new(dialect, any_verb), notes: Vec::new() }
    }

    pub(crate) fn insert(&mut self, route: Route) {
        self.trie.insert(&route.template, &route.http_method, self.routes.len());
        self.routes.push(route);
    }

    pub(crate) fn note(&mut self, note: String) {
        self.notes.push(note);
    }

    pub(crate) fn pool(&self) -> &Pool {
        &self.pool
    }

    pub(crate) fn route(&self, index: usize) -> &Route {
        &self.routes[index]
    }

    /// All routes, in the order of the services, their methods and bindings.
    pub fn routes(&self) -> &[Route] {
        &self.routes
    }

    /// What an operator should know at start, a line each: what is annotated but not served as JSON.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The route of a request, without allocating.
    ///
    /// `path` is as it came, percent-encoded and without the query. A slash at its end means nothing. HEAD goes to a GET
    /// binding where none has HEAD of its own.
    pub fn find<'p>(&self, method: &HttpMethod, path: &'p str) -> Option<Match<'_, 'p>> {
        let (index, path) = self.trie.find(method.as_str(), path)?;
        Some(Match { route: &self.routes[index], index, path })
    }

    /// The HTTP methods bound to a path, sorted; with HEAD where there is GET. Empty if nothing is.
    pub fn allowed(&self, path: &str) -> Vec<&str> {
        self.trie.methods(path)
    }
}

impl<'p> Match<'_, 'p> {
    pub(crate) fn index(&self) -> usize {
        self.index
    }

    /// The text of a variable, still percent-encoded.
    pub(crate) fn text(&self, capture: &Capture) -> &'p str {
        let (start, end) = (self.offset(capture.start), self.offset(capture.end));
        // A variable of no segments lies between two others', or at an end.
        let text = self.path.get(start..end).unwrap_or_default();
        if end == self.path.len() { text } else { text.strip_suffix('/').unwrap_or(text) }
    }

    /// Where in the path a segment begins.
    fn offset(&self, edge: Edge) -> usize {
        let bytes = self.path.as_bytes();
        match edge {
            Edge::Start(0) => 0,
            Edge::End(0) => bytes.len(),
            Edge::Start(n) => memchr::memchr_iter(b'/', bytes).nth(n - 1).map_or(bytes.len(), |at| at + 1),
            Edge::End(n) => memchr::memrchr_iter(b'/', bytes).nth(n - 1).map_or(0, |at| at + 1),
        }
    }
}
