"""A bookshop: pages, the admin, gRPC and JSON, all on the same rows."""
