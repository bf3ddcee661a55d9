//! HTTP carried in google.api.HttpBody to any HTTP service.
