"""Narthex: one server, one port, for an ASGI application, gRPC services and their JSON API.

The command is ``narthex serve``; see ``narthex serve --help``. This package holds configuration, process life and the glue
to frameworks. What happens for each request is native, in ``narthex._native``, which is imported when serving begins.
"""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("narthex")
except PackageNotFoundError:  # run from the source tree, without a wheel
    __version__ = "0+unknown"

__all__ = ["__version__"]
