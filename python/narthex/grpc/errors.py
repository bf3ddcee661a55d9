"""The exceptions that a servicer's context raises.

They are grpc's own wherever grpc is installed, so that ``except grpc.aio.AbortError`` in a servicer or an interceptor means
what it says. Imported by the native half with the first servicer, which by then has imported grpc itself.
"""

from typing import TYPE_CHECKING

__all__ = ["AbortError", "BaseError", "InternalError", "UsageError"]

if TYPE_CHECKING:

    class BaseError(Exception):
        """Base of what follows."""

    class AbortError(BaseError):
        """Ends the call; raised by ``context.abort`` after the status was noted."""

    class InternalError(BaseError):
        """The runtime failed."""

    class UsageError(BaseError):
        """The context was used in a way or at a time that it cannot be."""

else:
    try:
        from grpc.aio import AbortError, BaseError, InternalError, UsageError
    except ImportError:

        class BaseError(Exception):
            """Base of what follows."""

        class AbortError(BaseError):
            """Ends the call; raised by ``context.abort`` after the status was noted."""

        class InternalError(BaseError):
            """The runtime failed."""

        class UsageError(BaseError):
            """The context was used in a way or at a time that it cannot be."""
