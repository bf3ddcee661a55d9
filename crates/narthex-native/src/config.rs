//! The configuration as Python gives it: `narthex.config.Config`, whose attributes are read by name, once.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use http::HeaderValue;
use narthex_edge::{Bind, Origins};
use narthex_wire::Trusted;
use pyo3::prelude::*;

use crate::described::Described;
use crate::openapi::OpenApi;
use crate::tls::{Files, IdentityFiles};
use crate::transcoding::Transcoding;
use crate::upstreams::Upstreams;

/// The largest JSON or HttpBody message where the user set no limit: 16 MiB.
const DEFAULT_MAX_BODY: usize = 16 * 1024 * 1024;

/// `narthex.config.Config`.
#[derive(Debug, FromPyObject)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of the command that is on or off")]
pub(crate) struct Config {
    addresses: Vec<String>,
    uds: Option<PathBuf>,
    tls_cert: Option<PathBuf>,
    tls_key: Option<PathBuf>,
    tls_client_ca: Option<PathBuf>,
    tls_client_required: bool,
    root_path: String,
    forwarded_allow_ips: Vec<String>,
    pub(crate) reflection: bool,
    pub(crate) access_log: bool,
    max_body: Option<usize>,
    pub(crate) grpc_max_message: usize,
    header_timeout: f64,
    body_timeout: f64,
    keep_alive_timeout: f64,
    handshake_timeout: f64,
    max_header_size: usize,
    max_connection_age: Option<f64>,
    max_connection_age_grace: Option<f64>,
    h2_max_streams: u32,
    h2_idle_timeout: Option<f64>,
    h2_ping_interval: Option<f64>,
    h2_ping_timeout: f64,
    h2_ping_min_interval: f64,
    h2_ping_strikes: u32,
    application_close_timeout: Option<f64>,
    threads: Option<usize>,
    pub(crate) api_prefixes: Vec<String>,
    cors_origins: Vec<String>,
    pub(crate) expose: Vec<(String, Vec<String>)>,
    http_over_grpc: bool,
    http_over_grpc_from: Vec<String>,
    pub(crate) transcoding: Transcoding,
    pub(crate) described: Described,
    pub(crate) openapi: OpenApi,
    pub(crate) upstreams: Upstreams,
}

/// Something wrong with the configuration, as Python prints it: where, what, what to do.
pub(crate) type Problem = (String, String, String);

impl Config {
    /// What to bind.
    pub(crate) fn binds(&self, problems: &mut Vec<Problem>) -> Vec<Bind> {
        let mut binds: Vec<Bind> = self.uds.iter().cloned().map(Bind::Unix).collect();
        for address in &self.addresses {
            match parse_bind(address) {
                Ok(bind) => binds.push(bind),
                Err(problem) => problems.push(problem),
            }
        }
        binds
    }

    /// What secures them, if anything does.
    pub(crate) fn tls(&self) -> Files<'_> {
        Files {
            identity: IdentityFiles {
                options: ["--tls-cert", "--tls-key"],
                cert: self.tls_cert.as_deref(),
                key: self.tls_key.as_deref(),
            },
            client_ca: self.tls_client_ca.as_deref(),
            client_required: self.tls_client_required,
        }
    }

    /// Whose X-Forwarded-* headers are believed.
    pub(crate) fn forwarded_from(&self, problems: &mut Vec<Problem>) -> Trusted {
        trusted("--forwarded-allow-ips", &self.forwarded_allow_ips, problems)
    }

    /// Who may call HTTP over gRPC; `None` if it is off.
    pub(crate) fn http_over_grpc_from(&self, problems: &mut Vec<Problem>) -> Option<Trusted> {
        self.http_over_grpc.then(|| trusted("--http-over-grpc-from", &self.http_over_grpc_from, problems))
    }

    /// Whose pages may call; `None` if no others than this server's.
    pub(crate) fn cors(&self, problems: &mut Vec<Problem>) -> Option<Origins> {
        if self.cors_origins.iter().any(|origin| origin == "*") {
            return Some(Origins::Any);
        }
        let mut origins = Vec::new();
        for origin in &self.cors_origins {
            match HeaderValue::from_str(origin) {
                Ok(value) => origins.push(value),
                Err(error) => problems.push((
                    format!("--cors-origin {origin}"),
                    error.to_string(),
                    "give an origin, such as https://example.org".to_owned(),
                )),
            }
        }
        (!origins.is_empty()).then_some(Origins::Listed(origins))
    }

    /// The limit for bodies that are held whole.
    pub(crate) fn max_message_body(&self) -> usize {
        self.max_body.unwrap_or(DEFAULT_MAX_BODY)
    }

    /// The limit for bodies that the application reads as a stream.
    fn max_stream_body(&self) -> Option<u64> {
        self.max_body.map(|limit| limit as u64)
    }

    /// What concerns Python code, with the program's own executor if it has one.
    pub(crate) fn runtime(&self, executor: Option<Py<PyAny>>) -> narthex_pyrt::RuntimeOptions {
        let default = narthex_pyrt::RuntimeOptions::default();
        narthex_pyrt::RuntimeOptions { lanes: self.threads.unwrap_or(default.lanes), executor, ..default }
    }

    /// What concerns the application.
    pub(crate) fn app(&self, interface: narthex_asgi::Interface) -> narthex_asgi::AppOptions {
        narthex_asgi::AppOptions {
            interface,
            root_path: self.root_path.clone(),
            max_body: self.max_stream_body(),
            close_timeout: self.application_close_timeout.map(seconds),
        }
    }

    /// The edge's part.
    pub(crate) fn edge(&self, trusted: Trusted) -> narthex_edge::Config {
        narthex_edge::Config {
            header_timeout: seconds(self.header_timeout),
            body_timeout: seconds(self.body_timeout),
            keep_alive_timeout: seconds(self.keep_alive_timeout),
            handshake_timeout: seconds(self.handshake_timeout),
            max_header_size: self.max_header_size,
            max_age: self.max_connection_age.map(seconds),
            max_age_grace: self.max_connection_age_grace.map(seconds),
            h2_max_streams: self.h2_max_streams,
            h2_idle_timeout: self.h2_idle_timeout.map(seconds),
            h2_ping_interval: self.h2_ping_interval.map(seconds),
            h2_ping_timeout: seconds(self.h2_ping_timeout),
            h2_ping_min_interval: seconds(self.h2_ping_min_interval),
            h2_ping_strikes: self.h2_ping_strikes,
            trusted,
            ..narthex_edge::Config::default()
        }
    }
}

/// An IP address and port to bind.
pub(crate) fn parse_bind(address: &str) -> Result<Bind, Problem> {
    address.parse::<SocketAddr>().map(Bind::Tcp).map_err(|error| {
        let hint = "give an address and a port, such as 127.0.0.1:8000";
        (format!("--bind {address}"), error.to_string(), hint.to_owned())
    })
}

fn trusted(option: &str, entries: &[String], problems: &mut Vec<Problem>) -> Trusted {
    Trusted::parse(entries).unwrap_or_else(|error| {
        let hint = "give addresses, networks such as 10.0.0.0/8, `unix` or `*`".to_owned();
        problems.push((option.to_owned(), error.to_string(), hint));
        Trusted::nobody()
    })
}

pub(crate) fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}
