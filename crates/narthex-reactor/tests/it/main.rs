//! The reactor under an outer loop that does what uvloop does: sleeps on the descriptor, turns when it is readable.

#![expect(clippy::unwrap_used, reason = "in a test that is how it fails")]

mod fork;
mod http;
mod limits;
mod outer;
mod sockets;
mod stalls;
mod standby;
mod stress;
mod tasks;
mod timers;
mod writing;
