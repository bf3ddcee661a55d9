"""Channel arguments of grpc's servers, as far as they mean something here.

Not here: what they do. Each becomes a field of ``narthex.config.Config``, or an answer about ports.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from narthex.logs import LOGGER

_MAX_MESSAGE: Final = (1 << 32) - 1
"""The length in a gRPC envelope has 32 bits."""
_NEVER: Final = (1 << 31) - 1
"""grpc's INT_MAX, which as a time in milliseconds means for ever."""

# Sizes of buffers and windows, which are set otherwise here, and what concerns grpc's clients or its own inner life alone.
_WITHOUT_EFFECT: Final = frozenset(
    {
        "grpc.http2.bdp_probe",
        "grpc.http2.lookahead_bytes",
        "grpc.http2.max_frame_size",
        "grpc.http2.max_pings_without_data",
        "grpc.http2.write_buffer_size",
        "grpc.optimization_target",
        "grpc.per_message_compression",
        "grpc.resource_quota",
        "grpc.tcp_read_chunk_size",
    }
)

_warned: set[str] = set()


@dataclass(slots=True)
class Arguments:
    """What was read."""

    config: dict[str, Any] = field(default_factory=dict[str, Any])
    """Fields of ``Config``."""
    reuse_port: bool = True
    """As in grpc, several processes may serve one port unless they say otherwise."""
    max_send_message: int | None = None
    """The largest message that is sent, in bytes; None for no limit."""


def read(options: Iterable[tuple[str, Any]]) -> Arguments:
    """Reads the arguments; the last of a name counts. What is unknown is named in a warning, once for each name.

    Raises:
        ValueError: the value of a known argument is not a number that it can be.
    """
    arguments = Arguments()
    for name, value in options:
        name = name.decode() if isinstance(name, bytes) else str(name)
        if name == "grpc.so_reuseport":
            arguments.reuse_port = bool(_number(name, value))
        elif name == "grpc.max_send_message_length":
            number = _number(name, value)
            arguments.max_send_message = None if number < 0 else number
        elif name in _READERS:
            key, reading = _READERS[name]
            arguments.config[key] = reading(_number(name, value))
        elif name not in _WITHOUT_EFFECT and name not in _warned:
            _warned.add(name)
            LOGGER.warning("The channel argument %s is not known to Narthex and has no effect", name)
    return arguments


def _number(name: str, value: Any) -> int:
    if isinstance(value, int):
        return value
    try:
        return int(value)
    except (TypeError, ValueError):
        raise ValueError(f"the channel argument {name} takes a number, not {value!r}") from None


def _size(number: int) -> int:
    """A limit in bytes; -1 is none."""
    return _MAX_MESSAGE if number < 0 else min(number, _MAX_MESSAGE)


_READERS: Final[dict[str, tuple[str, Callable[[int], Any]]]] = {
    "grpc.max_receive_message_length": ("grpc_max_message", _size),
}
