//! Health and reflection as gRPC services.
//!
//! [`ServicesLayer`] answers grpc.health.v1.Health and grpc.reflection.v1 and v1alpha.ServerReflection, and hands
//! everything else on. A service that the program registers itself is the program's: its path is left alone. The other way
//! round, [`discover`] asks the reflection of a server elsewhere.
//!
//! It is *not* where statuses are decided: whoever runs the server sets them by [`Health`]. And it runs no task of its
//! own: a stream's answers are made when its body is polled.

#![forbid(unsafe_code)]

pub mod discovery;
pub mod health;
mod message;
pub mod reflection;
mod reply;
pub mod service;
mod watched;

pub use discovery::{Discovered, discover};
pub use health::{Health, ServingStatus};
pub use reflection::Reflection;
pub use service::{ResponseFuture, Services, ServicesLayer, WithServices};

/// The full names of the services answered here.
pub const NAMES: [&str; 3] = [HEALTH, REFLECTION_V1, REFLECTION_V1ALPHA];

/// Health's full name.
pub const HEALTH: &str = "grpc.health.v1.Health";

/// Reflection's full name.
pub const REFLECTION_V1: &str = "grpc.reflection.v1.ServerReflection";

/// Reflection's former full name, which clients still try; the messages are the same.
pub const REFLECTION_V1ALPHA: &str = "grpc.reflection.v1alpha.ServerReflection";

/// A serialized google.protobuf.FileDescriptorSet of the three services; they import nothing.
pub const DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/services.binpb"));

/// The largest message a client may send to these services.
pub(crate) const MAX_MESSAGE: usize = 4 * 1024 * 1024;
