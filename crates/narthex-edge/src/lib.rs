//! Listening, HTTP/1 and HTTP/2 connections, and what surrounds every request.
