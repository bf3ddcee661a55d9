"""Narthex: one server, one port, for an ASGI application, gRPC services and their JSON API.

The command is ``narthex serve``; see ``narthex serve --help``. This package holds configuration, process life and the glue
to frameworks. What happens for each request is native, in ``narthex._native``, which is imported when serving begins.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    __version__: str

__all__ = ["__version__"]


def __getattr__(name: str) -> str:
    """``__version__``, looked up when it is asked for: reading metadata takes longer than all other imports of a start."""
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("narthex")
    except PackageNotFoundError:  # run from the source tree, without a wheel
        return "0+unknown"
