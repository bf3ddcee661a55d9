"""The compiled half of Narthex: everything that happens for each request.

Python holds configuration, process life and framework glue; see ``narthex.server`` for the order in which these are called.
"""

from asyncio import AbstractEventLoop
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import Executor
from typing import Any, final

from narthex.config import Config

__all__ = [
    "BindError",
    "ClientDisconnected",
    "Server",
    "Sockets",
    "Tls",
    "__version__",
    "builtin_descriptors",
    "elsewhere",
    "init_logging",
    "keep_freed_memory",
    "openapi",
    "routes",
]

__version__: str

class ClientDisconnected(OSError):
    """The client is gone, or the response is complete: nothing more can be sent.

    Raised by ASGI's ``send``; public as ``narthex.ClientDisconnected``, which is also what it calls itself.
    """

class BindError(Exception):
    """An address that cannot be had. Its arguments are where, what, and what to do."""

@final
class Sockets:
    """Addresses that are claimed before there is a server, which then takes them over. Not public API."""

    def __new__(cls) -> Sockets: ...
    def bind(
        self, addresses: Sequence[str], tls: Tls | None = None, *, dual_stack: bool = False, reuse_port: bool = False
    ) -> int:
        """Claims all of these, ``127.0.0.1:0`` or ``unix:/path``, or none; returns their port, 0 if none has one.

        Those that leave the port open get that of the one before. ``dual_stack``: ``[::]`` takes IPv4 clients as well.
        ``reuse_port``: other processes may serve the same port. Clients that come from now on wait
        to be served. Raises ``BindError``.
        """

    def close(self) -> None:
        """Gives the addresses back that no server has taken over."""

@final
class Tls:
    """How the connections of a port are secured. Not public API."""

    def __new__(
        cls, identities: Sequence[tuple[bytes, bytes]], client_ca: bytes | None = None, *, client_required: bool = True
    ) -> Tls:
        """``identities`` are private keys and certificate chains, ``client_ca`` asks for clients' certificates; all as PEM.

        Raises ``ValueError`` with what is wrong with them.
        """

    def renewed_by(self, renew: Callable[[], Tls | None]) -> Tls:
        """The same until ``renew``, called on the event loop for each connection that comes, returns another one."""

@final
class Server:
    """One server on one event loop. Made by ``narthex.server``; not public API."""

    def __new__(
        cls,
        config: Config,
        loop: AbstractEventLoop,
        app: Any | None,
        methods: Mapping[str, Any],
        generic_handlers: Sequence[Any],
        services: Sequence[str],
        descriptor_set: bytes,
        *,
        sockets: Sockets | None = None,
        interceptors: Sequence[Any] = ...,
        executor: Executor | None = None,
        maximum_concurrent_rpcs: int | None = None,
        max_send_message: int | None = None,
        compression: Any | None = None,
        encodings: Sequence[Any] | None = None,
        classic: bool = False,
        wsgi: bool = False,
    ) -> Server:
        """``methods`` maps ``/pkg.Service/Method`` to its RpcMethodHandler; ``generic_handlers`` are asked for paths not in it.

        ``services`` are the full names of all registered services; those found in ``descriptor_set`` (a serialized
        FileDescriptorSet with imports) get JSON routes and reflection, the others are served as gRPC alone.

        ``interceptors`` are ``grpc.aio.ServerInterceptor`` and, after them, ``grpc.ServerInterceptor`` objects, the
        outermost first. ``executor`` runs synchronous handlers; without one threads of Narthex do. ``max_send_message`` is in
        bytes; ``compression`` is a ``grpc.Compression`` or a name such as ``"zstd"``, and ``encodings`` are such as messages may
        be compressed with at all, all that there are if it is None;
        ``classic`` has clients told of errors as by ``grpc.server``, not as by ``grpc.aio.server``; ``wsgi`` says that ``app`` is
        a WSGI application.
        """

    def prepare(self) -> list[tuple[str, str, str]]:
        """Builds the routes and binds the configured addresses, besides those of ``sockets``; returns every problem as (where, what, what to do), none if all is well."""

    @property
    def addresses(self) -> list[str]:
        """The bound addresses after ``prepare``: ``http://127.0.0.1:8080`` or ``unix:/path``."""

    def undescribed(self) -> list[str]:
        """The registered services without a descriptor, after ``prepare``: they are gRPC alone."""

    def startup(self) -> Awaitable[None]:
        """Starts the runtime on the loop and runs the app's lifespan startup. Raises ``RuntimeError`` if the app says it failed."""

    def discover(self) -> Awaitable[None]:
        """Asks upstreams for their descriptors; done when each has been asked once, or after a few seconds.

        An upstream that does not tell is asked on and on, and what it tells is served from then on.
        """

    def serve(self) -> None:
        """Listens and accepts; returns at once."""

    def shutdown(self, timeout: float) -> Awaitable[bool]:
        """Stops accepting, waits for what is in flight, aborts the rest at the timeout, then runs lifespan shutdown.

        True if all that was in flight ended by itself.
        """

    def limit_stop(self, timeout: float, early_code: int) -> None:
        """Ends the process if Python is still away from the event loop when the time for stopping is over; needs no loop itself.

        The exit code is 0, or ``early_code`` where nothing is served yet.
        """

    def limit_stop_on(self, signals: Sequence[int], timeout: float) -> None:
        """Has each of these signals do that as well, also where Python does not get to its own handler of it, which is in place.

        Where nothing is served yet, the exit code is what shells make of the signal.
        """

    def set_health(self, service: str, status: int) -> None:
        """Sets what health tells of a service; nothing before ``prepare`` and after ``close``."""

    def take_absorbed_exit(self) -> bool:
        """Whether a ``SystemExit`` or ``KeyboardInterrupt`` that left the loop was raised by a call, and has ended that already."""

    def close(self) -> None:
        """Releases the loop and the threads; idempotent."""

def keep_freed_memory() -> None:
    """Has glibc keep the memory of large messages for the next ones, unless its environment variables say otherwise."""

def init_logging(level: str, color: bool) -> None:
    """Sends the native half's log lines to stderr at this level (trace, debug, info, warning, error, critical)."""

def builtin_descriptors() -> bytes:
    """A FileDescriptorSet of grpc.health.v1, grpc.reflection.v1 and v1alpha and narthex.asgi.v1, with imports."""

def elsewhere(
    config: Config, services: Sequence[str], descriptor_set: bytes
) -> tuple[list[str], bytes, list[tuple[str, str, str]]]:
    """The services of upstreams and of files, a FileDescriptorSet of them and these, and all problems; upstreams are asked once."""

def openapi(config: Config, services: Sequence[str], descriptor_set: bytes) -> tuple[str, list[tuple[str, str, str]]]:
    """The OpenAPI document of these services as JSON, empty where there are problems, and all of these."""

def routes(
    config: Config, services: Sequence[str], descriptor_set: bytes
) -> tuple[list[tuple[str, str, str]], list[tuple[str, str, str]]]:
    """The HTTP routes of these services, as (HTTP method, template, gRPC method and which of its bindings), and all problems."""
