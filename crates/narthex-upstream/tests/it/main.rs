//! The crate's contract: what a call's client sees of an upstream that behaves, and of one that does not.

#![expect(clippy::unwrap_used, reason = "what fails in a helper fails the test")]

mod calls;
mod connections;
mod harness;
mod peer;
mod raw;
mod transports;
