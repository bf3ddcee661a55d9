"""``grpc.aio`` with its server replaced by Narthex's; every other name is that of the installed ``grpc.aio``."""

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Executor
from importlib import import_module
from typing import Any

from narthex.grpc.assembly import Assembly, ChannelArguments, Compression
from narthex.grpc.credentials import ServerCredentials, insecure_server_credentials
from narthex.grpc.lifecycle import Lifecycle
from narthex.grpc.registrar import register_with_grpc

__all__ = ["Server", "server"]


def server(
    migration_thread_pool: Executor | None = None,
    handlers: Sequence[Any] | None = None,
    interceptors: Sequence[Any] | None = None,
    options: ChannelArguments | None = None,
    maximum_concurrent_rpcs: int | None = None,
    compression: Compression = None,
) -> "Server":
    """Makes a server, as ``grpc.aio.server`` does.

    Args:
        migration_thread_pool: where handlers that are no coroutine functions run; threads of Narthex's own if it is None.
        handlers: generic handlers, as ``add_generic_rpc_handlers`` takes them.
        interceptors: those of ``grpc.aio``, in the order in which they see a call.
        options: channel arguments; those that have no meaning here are named once, in a warning.
        maximum_concurrent_rpcs: calls beyond so many are RESOURCE_EXHAUSTED; None for no limit.
        compression: an element of ``grpc.Compression``, for every response.

    Raises:
        ValueError: an interceptor is none of ``grpc.aio``, or a number cannot be right.
    """
    _check(interceptors or ())
    return Server(
        Assembly(
            executor=migration_thread_pool,
            handlers=handlers or (),
            interceptors=interceptors or (),
            options=options or (),
            maximum_concurrent_rpcs=maximum_concurrent_rpcs,
            compression=compression,
        )
    )


class Server:
    """A server on the event loop that runs when it is started; see ``grpc.aio.Server``, which it counts as an instance of."""

    def __init__(self, assembly: Assembly) -> None:
        self._assembly = assembly
        self._life = Lifecycle(assembly)
        register_with_grpc(Server, aio=True)

    def add_generic_rpc_handlers(self, generic_rpc_handlers: Iterable[Any]) -> None:
        """Registers ``grpc.GenericRpcHandler`` objects; those that come after the start serve gRPC alone."""
        self._assembly.registrar.add_generic_rpc_handlers(generic_rpc_handlers)

    def add_registered_method_handlers(self, service_name: str, method_handlers: Mapping[str, Any]) -> None:
        """Registers the handlers of one service by the methods' names; after the start a warning is all that it does."""
        self._assembly.registrar.add_registered_method_handlers(service_name, method_handlers)

    def add_insecure_port(self, address: str) -> int:
        """Claims an address without TLS, and returns its port; clients are served once the server is started.

        Raises:
            RuntimeError: it cannot be had.
        """
        return self._assembly.add_port(address, insecure_server_credentials())

    def add_secure_port(self, address: str, server_credentials: ServerCredentials) -> int:
        """Claims an address to be served by TLS, and returns its port.

        Raises:
            RuntimeError: it cannot be had.
            TypeError: the credentials were not made by ``narthex.grpc.ssl_server_credentials``.
        """
        return self._assembly.add_port(address, server_credentials)

    async def start(self) -> None:
        """Starts serving on the running event loop.

        Raises:
            StartupError: with all that is wrong with what is registered.
        """
        await self._life.start()

    async def stop(self, grace: float | None) -> None:
        """Refuses new calls at once, and returns when none is left: those that take longer than ``grace`` are cancelled.

        None cancels them now. Of several stops the one that would end first counts.
        """
        await self._life.stop(grace)

    async def wait_for_termination(self, timeout: float | None = None) -> bool:
        """Waits until the server has stopped; True if the timeout came first."""
        return await self._life.wait(timeout)


def _check(interceptors: Sequence[Any]) -> None:
    kind: type[Any] = import_module("grpc.aio").ServerInterceptor
    invalid = [interceptor for interceptor in interceptors if not isinstance(interceptor, kind)]
    if invalid:
        raise ValueError(f"Interceptor must be ServerInterceptor, the following are invalid: {invalid}")


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("grpc.aio"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *dir(import_module("grpc.aio"))})
