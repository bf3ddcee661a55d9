"""The exceptions that a servicer's context raises, and the mark that it gives after the last request.

They are grpc's own wherever grpc is installed, so that ``except grpc.aio.AbortError`` in a servicer or an interceptor means
what it says. Imported by the native half with the first servicer, which by then has imported grpc itself.
"""

from typing import TYPE_CHECKING, Any

__all__ = ["EOF", "AbortError", "BaseError", "InternalError", "RpcError", "UsageError"]

if TYPE_CHECKING:

    class BaseError(Exception):
        """Base of what follows."""

    class AbortError(BaseError):
        """Ends the call; raised by ``context.abort`` after the status was noted."""

    class InternalError(BaseError):
        """The runtime failed."""

    class UsageError(BaseError):
        """The context was used in a way or at a time that it cannot be."""

    class RpcError(Exception):
        """A synchronous handler reads from a client who is gone."""

    EOF: Any
    """What ``context.read()`` gives after the last request."""

else:
    try:
        from grpc import RpcError
        from grpc.aio import EOF, AbortError, BaseError, InternalError, UsageError
    except ImportError:

        class BaseError(Exception):
            """Base of what follows."""

        class AbortError(BaseError):
            """Ends the call; raised by ``context.abort`` after the status was noted."""

        class InternalError(BaseError):
            """The runtime failed."""

        class UsageError(BaseError):
            """The context was used in a way or at a time that it cannot be."""

        class RpcError(Exception):
            """A synchronous handler reads from a client who is gone."""

        EOF = type("EOF", (), {"__bool__": lambda self: False, "__repr__": lambda self: "<narthex.EOF>"})()
