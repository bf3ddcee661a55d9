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
        "grpc.http2.max_pings_without_data",
        "grpc.keepalive_permit_without_calls",
        "grpc.http2.bdp_probe",
        "grpc.http2.lookahead_bytes",
        "grpc.http2.max_frame_size",
        "grpc.http2.write_buffer_size",
        "grpc.optimization_target",
        "grpc.per_message_compression",
        "grpc.resource_quota",
        "grpc.tcp_read_chunk_size",
    }
)

_REUSE_PORT: Final = "grpc.so_reuseport"
_MAX_SEND: Final = "grpc.max_send_message_length"
_COMPRESSION: Final = "grpc.default_compression_algorithm"
_COMPRESSIONS: Final = "grpc.compression_enabled_algorithms_bitset"
_OTHERS: Final = {_REUSE_PORT, _MAX_SEND, _COMPRESSION, _COMPRESSIONS}
_NUMBERS: Final = range(3)
"""What grpc.Compression has: identity, deflate and gzip."""

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
    compression: int | None = None
    """What responses are compressed with, as a number of ``grpc.Compression``; None if there is no word of it."""
    compressions: list[int] | None = None
    """What messages may be compressed with, as such numbers; None for all that there is, also what grpc does not have."""


def read(options: Iterable[tuple[str, Any]]) -> Arguments:
    """Reads the arguments; the last of a name counts. What is unknown is named in a warning, once for each name.

    Raises:
        ValueError: the value of a known argument is not a number that it can be.
    """
    given = {name.decode() if isinstance(name, bytes) else str(name): value for name, value in options}
    arguments = Arguments()
    if _REUSE_PORT in given:
        arguments.reuse_port = bool(_number(_REUSE_PORT, given[_REUSE_PORT]))
    if _MAX_SEND in given:
        number = _number(_MAX_SEND, given[_MAX_SEND])
        arguments.max_send_message = None if number < 0 else number
    if _COMPRESSION in given:
        number = _number(_COMPRESSION, given[_COMPRESSION])
        arguments.compression = number if number in _NUMBERS else 0
    if _COMPRESSIONS in given:
        bits = _number(_COMPRESSIONS, given[_COMPRESSIONS])
        arguments.compressions = [number for number in _NUMBERS if bits >> number & 1]
    for name, (key, reading) in _READERS.items():
        if name in given:
            arguments.config[key] = reading(_number(name, given[name]))
    for name in given.keys() - _READERS.keys() - _OTHERS - _WITHOUT_EFFECT - _warned:
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


def _seconds(milliseconds: int) -> float | None:
    """A time; grpc's INT_MAX is for ever, and so is here what is no time."""
    return None if milliseconds >= _NEVER or milliseconds < 0 else milliseconds / 1000


def _at_most(milliseconds: int) -> float:
    return min(milliseconds, _NEVER) / 1000


def _count(number: int) -> int:
    return max(0, min(number, _NEVER))


def _size(number: int) -> int:
    """A limit in bytes; -1 is none."""
    return _MAX_MESSAGE if number < 0 else min(number, _MAX_MESSAGE)


_READERS: Final[dict[str, tuple[str, Callable[[int], Any]]]] = {
    "grpc.max_receive_message_length": ("grpc_max_message", _size),
    "grpc.http2.max_ping_strikes": ("h2_ping_strikes", _count),
    "grpc.http2.min_ping_interval_without_data_ms": ("h2_ping_min_interval", _at_most),
    "grpc.http2.min_recv_ping_interval_without_data_ms": ("h2_ping_min_interval", _at_most),
    "grpc.keepalive_time_ms": ("h2_ping_interval", _seconds),
    "grpc.keepalive_timeout_ms": ("h2_ping_timeout", _at_most),
    "grpc.max_concurrent_streams": ("h2_max_streams", _count),
    "grpc.max_connection_age_grace_ms": ("max_connection_age_grace", _seconds),
    "grpc.max_connection_age_ms": ("max_connection_age", _seconds),
    "grpc.max_connection_idle_ms": ("h2_idle_timeout", _seconds),
    # Between grpc's two limits calls are refused by chance, and beyond the second always: here there is the second alone.
    "grpc.max_metadata_size": ("max_header_size", lambda number: _count(number * 5 // 4)),
    "grpc.absolute_max_metadata_size": ("max_header_size", _count),
    "grpc.server_handshake_timeout_ms": ("handshake_timeout", _at_most),
}
