//! Limits and timeouts of connections; every default is safe for a server that strangers can reach.
//!
//! It is *not* the configuration of a server: what is served where is said elsewhere.

use std::time::Duration;

use crate::forwarded::Trusted;
use crate::frames::PingPolicy;

/// How connections are treated.
#[derive(Clone, Debug)]
pub struct Config {
    /// How long a TLS handshake may take.
    pub handshake_timeout: Duration,
    /// From the first byte of a request to the end of its head, and from connecting to the first byte.
    pub header_timeout: Duration,
    /// How long a request's body may make no progress while the service waits for it.
    pub body_timeout: Duration,
    /// How long an HTTP/1 connection may be idle after a response.
    pub keep_alive_timeout: Duration,
    /// Bytes of a request's head, in HTTP/1 with its first line.
    pub max_header_size: usize,
    /// Header lines of an HTTP/1 request.
    pub max_headers: usize,
    /// Concurrent streams of an HTTP/2 connection.
    pub h2_max_streams: u32,
    /// Streams that a peer has reset and nobody has looked at; more end the connection (CVE-2023-44487).
    pub h2_max_pending_resets: usize,
    /// Streams that we had to reset for the peer's faults; more end the connection (CVE-2025-8671).
    pub h2_max_local_resets: usize,
    /// How often an HTTP/2 peer is asked whether it is still there; `None` is never.
    pub h2_ping_interval: Option<Duration>,
    /// How long it may take to answer.
    pub h2_ping_timeout: Duration,
    /// HTTP/2 peers may send PINGs at this interval while nothing is sent to them.
    pub h2_ping_min_interval: Duration,
    /// More than so many that come sooner end the connection; 0 is no limit.
    pub h2_ping_strikes: u32,
    /// How long an HTTP/2 connection may have no streams; `None` is for ever.
    pub h2_idle_timeout: Option<Duration>,
    /// A connection as old as this, a tenth more or less, takes no more requests; `None` is no limit.
    pub max_age: Option<Duration>,
    /// How long requests in flight may go on then; `None` is no limit.
    pub max_age_grace: Option<Duration>,
    /// Connections that the system holds for us before they are accepted.
    pub backlog: i32,
    /// Whose `X-Forwarded-*` are believed.
    pub trusted: Trusted,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            handshake_timeout: Duration::from_secs(10),
            header_timeout: Duration::from_secs(30),
            body_timeout: Duration::from_mins(1),
            keep_alive_timeout: Duration::from_secs(75),
            max_header_size: 64 * 1024,
            max_headers: HYPERS_MAX_HEADERS,
            h2_max_streams: 200,
            h2_max_pending_resets: 20,
            h2_max_local_resets: 1024,
            h2_ping_interval: Some(Duration::from_mins(1)),
            h2_ping_timeout: Duration::from_secs(20),
            h2_ping_min_interval: Duration::from_secs(5),
            h2_ping_strikes: 2,
            h2_idle_timeout: Some(Duration::from_secs(75)),
            max_age: None,
            max_age_grace: None,
            backlog: 2048,
            trusted: Trusted::default(),
        }
    }
}

impl Config {
    pub(crate) fn ping_policy(&self) -> PingPolicy {
        PingPolicy { interval: self.h2_ping_min_interval, strikes: self.h2_ping_strikes }
    }
}

/// Up to this many hyper keeps headers on the stack; it allocates for any number that is set, even this.
pub(crate) const HYPERS_MAX_HEADERS: usize = 100;
