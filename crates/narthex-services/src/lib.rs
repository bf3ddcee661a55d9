//! Health and reflection as gRPC services.
