"""Narthex: one server, one port, for an ASGI application, gRPC services and their JSON API.

The command is ``narthex serve``; see ``narthex serve --help``. This package holds configuration, process life and the glue
to frameworks. What happens for each request is native, in ``narthex._native``, which is imported when serving begins.

For applications there is ``ClientDisconnected``, the ``OSError`` that ASGI's ``send`` raises once the client is gone.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from narthex._native import ClientDisconnected

    __version__: str

__all__ = ["ClientDisconnected", "__version__"]


def __getattr__(name: str) -> Any:
    """The public names, looked up when they are asked for: what they need takes longer than all other imports of a start."""
    if name == "__version__":
        return _version()
    if name == "ClientDisconnected":
        from narthex import _native

        return _native.ClientDisconnected
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("narthex")
    except PackageNotFoundError:  # run from the source tree, without a wheel
        return "0+unknown"
