//! gRPC over HTTP: envelopes, status, metadata, timeouts and the body type all layers share.
