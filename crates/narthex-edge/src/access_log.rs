//! A line of the access log: what is known of an exchange, and how it is written.

use std::fmt;
use std::time::Instant;

use http::{HeaderMap, Method, Request, Response, StatusCode, Uri, Version};
use narthex_wire::names::GRPC_STATUS;
use narthex_wire::{Body, Carried, Client, Code, Flow, Origin, Outcome};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use crate::state::Faults;

/// A line of the access log while it becomes complete. Dropped early, it says that the exchange was aborted.
#[derive(Debug)]
pub(crate) struct Line {
    arrival: Instant,
    client: Option<Client>,
    method: Method,
    uri: Uri,
    version: Version,
    answer: Option<(StatusCode, Flow)>,
    grpc: Option<Code>,
    /// Where the status comes from if trailers do not show it.
    outcome: Option<Outcome>,
    faults: Option<Faults>,
    written: bool,
}

impl Line {
    pub(crate) fn new(request: &Request<Body>) -> Self {
        let extensions = request.extensions();
        let origin = extensions.get::<Origin>();
        Self {
            arrival: origin.map_or_else(Instant::now, |origin| origin.arrival),
            client: origin.map(|origin| origin.client.clone()),
            method: request.method().clone(),
            uri: request.uri().clone(),
            version: request.version(),
            answer: None,
            grpc: None,
            outcome: None,
            faults: extensions.get().cloned(),
            written: false,
        }
    }

    pub(crate) fn head(&mut self, response: &Response<Body>) {
        let mut status = response.status();
        // The outer request of HTTP over gRPC is always the same one.
        if let Some(carried) = response.extensions().get::<Carried>() {
            self.method = carried.method.clone();
            self.uri = carried.target.clone().map_or_else(Uri::default, Uri::from);
            status = carried.status;
        }
        self.answer = Some(match self.faults.as_ref().and_then(Faults::status) {
            Some(status) => (status, Flow::Http),
            None => (status, Flow::of(response)),
        });
        self.grpc(Some(response.headers()));
        self.outcome = response.extensions().get().cloned();
    }

    /// Takes the status from trailers, or from a head that stands for them.
    pub(crate) fn grpc(&mut self, trailers: Option<&HeaderMap>) {
        if let Some(status) = trailers.and_then(|trailers| trailers.get(&GRPC_STATUS)) {
            self.grpc = Some(Code::from_header(status));
        }
    }

    pub(crate) fn end(&mut self) {
        self.write(false);
    }

    fn write(&mut self, aborted: bool) {
        if !std::mem::replace(&mut self.written, true) {
            tracing::info!(target: "narthex::access", "{}", Printed { line: self, aborted });
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.write(true);
    }
}

/// What a line does not have in a target.
const UNPRINTED: &AsciiSet = &CONTROLS.add(b'"').add(b' ');

struct Printed<'a> {
    line: &'a Line,
    aborted: bool,
}

impl fmt::Display for Printed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = self.line;
        match &line.client {
            Some(client) => client.fmt(f)?,
            None => f.write_str("-")?,
        }
        let target = line.uri.path_and_query().map_or("/", |target| target.as_str());
        write!(f, " - \"{} {} ", line.method, Quoted(target))?;
        // As ASGI writes it: HTTP/2 has no minor version (RFC 9113 8.3.1).
        match line.version {
            Version::HTTP_2 => f.write_str("HTTP/2\"")?,
            version => write!(f, "{version:?}\"")?,
        }
        match line.answer {
            Some((status, flow)) => {
                write!(f, " {} {flow}", status.as_str())?;
                let code = line.grpc.or_else(|| line.outcome.as_ref().and_then(Outcome::get));
                match (code, flow) {
                    // A JSON client's status is the HTTP one already.
                    (_, Flow::Http | Flow::Json) | (None, _) => {}
                    (Some(code), _) => write!(f, " {}", code.name())?,
                }
            }
            None => f.write_str(" -")?,
        }
        write!(f, " {:.1}ms", line.arrival.elapsed().as_secs_f64() * 1e3)?;
        f.write_str(if self.aborted { " aborted" } else { "" })
    }
}

/// A request target as its grammar has it (RFC 9112 3.2). Its parser lets quotes pass, and characters beyond ASCII, some of
/// which end lines or steer terminals: nobody writes a line's other half for us.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        utf8_percent_encode(self.0, UNPRINTED).fmt(f)
    }
}
