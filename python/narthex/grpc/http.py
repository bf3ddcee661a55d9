"""What a servicer says about the HTTP response, where its call came as JSON.

For gRPC clients it is metadata like any other: ``x-http-code`` and the headers under their names.
"""

from collections.abc import Iterable, Mapping
from typing import Final, Protocol, cast

_STATUS: Final = "x-http-code"

Headers = Mapping[str, str] | Iterable[tuple[str, str]]


class _Context(Protocol):
    """What is needed of grpc's contexts, asynchronous and not."""

    def set_trailing_metadata(self, trailing_metadata: tuple[tuple[str, str | bytes], ...], /) -> None: ...
    def trailing_metadata(self) -> Iterable[tuple[str, str | bytes]] | None: ...


def respond(context: _Context, *, status: int | None = None, headers: Headers = ()) -> None:
    """Sets the HTTP status and adds headers: 201 with Location, 204, 302, 304 with an ETag, cookies.

    They go out with the end of the call, as trailing metadata; what was set there before stays. A call that ends with an
    error keeps an error's status. A stream's head is gone by then: there, pass ``metadata(...)`` to
    ``context.send_initial_metadata``.
    """
    before = tuple(context.trailing_metadata() or ())
    if status is not None:
        before = tuple(pair for pair in before if pair[0] != _STATUS)
    context.set_trailing_metadata((*before, *metadata(status=status, headers=headers)))


def metadata(*, status: int | None = None, headers: Headers = ()) -> tuple[tuple[str, str], ...]:
    """The same as metadata."""
    pairs = cast("Mapping[str, str]", headers).items() if isinstance(headers, Mapping) else headers
    lowered = tuple((name.lower(), value) for name, value in pairs)
    if status is None:
        return lowered
    if not 200 <= status <= 599:
        raise ValueError(f"{status} is not the status of a final response: give one from 200 to 599")
    return ((_STATUS, str(status)), *lowered)
