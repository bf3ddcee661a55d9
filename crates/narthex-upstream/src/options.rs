//! What may be set about an upstream.

use std::time::Duration;

/// How an upstream is reached and spoken to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// How long resolving, connecting, TLS and the first words of HTTP/2 may take together.
    pub connect_timeout: Duration,
    /// How often the upstream is asked whether it is still there while calls are in flight; `None`: never.
    ///
    /// gRPC servers end connections that ask more often than every five minutes, unless they are told otherwise.
    pub ping_interval: Option<Duration>,
    /// How long its answer may take.
    pub ping_timeout: Duration,
    /// Whether the upstream sees the authority that the client asked for, and not its own.
    pub keep_authority: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            ping_interval: Some(Duration::from_secs(330)),
            ping_timeout: Duration::from_secs(20),
            keep_authority: false,
        }
    }
}
