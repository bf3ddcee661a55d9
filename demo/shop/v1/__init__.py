"""The bindings of the protos of package ``shop.v1``, put here by ``make protos``."""
