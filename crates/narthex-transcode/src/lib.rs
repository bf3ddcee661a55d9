//! google.api.http: HTTP and JSON to gRPC and back.
