//! An ASGI application as a Tower service.
