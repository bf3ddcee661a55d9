"""What grpc.health.v1 tells of each service, as the program knows it.

::

    from narthex.grpc import health

    health.set("shop.v1.ShopService", health.NOT_SERVING)

It is for the services that Narthex answers itself: a program that registers a health servicer of its own asks that one. Every
registered service is serving until something else is set; a status set before the server starts is told from its start on.
"""

import threading
import weakref
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from narthex._native import Server

__all__ = ["NOT_SERVING", "SERVING", "UNKNOWN", "set"]

UNKNOWN: Final = 0
SERVING: Final = 1
NOT_SERVING: Final = 2

_NAMES: Final = {"UNKNOWN": UNKNOWN, "SERVING": SERVING, "NOT_SERVING": NOT_SERVING}
_lock = threading.Lock()
_statuses: dict[str, int] = {}
_servers: "weakref.WeakSet[Server]" = weakref.WeakSet()


def set(service: str, status: int | str) -> None:
    """Sets the status of a service, or of the server as a whole (``""``), on every server of this process.

    ``status`` is one of this module, its name, or ``grpc_health.v1``'s ``HealthCheckResponse.ServingStatus``. From any thread.

    Raises:
        ValueError: if it is none of these.
    """
    value = _NAMES.get(status) if isinstance(status, str) else status
    if value is None or value not in _NAMES.values():
        raise ValueError(f"status {status!r} is none of {', '.join(_NAMES)}")
    with _lock:
        _statuses[service] = value
        for server in _servers:
            server.set_health(service, value)


def follow(server: "Server") -> None:
    """Tells a server what is set, now and later. Called once it is prepared."""
    with _lock:
        _servers.add(server)
        for service, status in _statuses.items():
            server.set_health(service, status)
