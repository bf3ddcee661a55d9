"""The server of programs without an event loop, as ``grpc.server`` makes it: the loop is on a thread of ours."""

import asyncio
import threading
import weakref
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Executor, Future
from typing import Any, Final

from narthex.grpc.assembly import Assembly, ChannelArguments, Compression
from narthex.grpc.credentials import ServerCredentials, insecure_server_credentials
from narthex.grpc.lifecycle import Lifecycle
from narthex.grpc.registrar import register_with_grpc

_EXIT_PATIENCE: Final = 5.0
"""How long a program that ends waits for a server that it did not stop."""


def server(
    thread_pool: Executor | None,
    handlers: Sequence[Any] | None = None,
    interceptors: Sequence[Any] | None = None,
    options: ChannelArguments | None = None,
    maximum_concurrent_rpcs: int | None = None,
    compression: Compression = None,
    xds: bool = False,
) -> "Server":
    """Makes a server, as ``grpc.server`` does.

    Args:
        thread_pool: where handlers run; threads of Narthex's own if it is None.
        handlers: generic handlers, as ``add_generic_rpc_handlers`` takes them.
        interceptors: ``grpc.ServerInterceptor`` objects, in the order in which they see a call.
        options: channel arguments; those that have no meaning here are named once, in a warning.
        maximum_concurrent_rpcs: calls beyond so many are RESOURCE_EXHAUSTED; None for no limit.
        compression: an element of ``grpc.Compression``, for every response.
        xds: refused.
    """
    if xds:
        raise NotImplementedError("Narthex reads no configuration by xDS: leave xds out")
    assembly = Assembly(
        executor=thread_pool,
        handlers=handlers or (),
        interceptors=interceptors or (),
        options=options or (),
        maximum_concurrent_rpcs=maximum_concurrent_rpcs,
        compression=compression,
        classic=True,
    )
    return Server(assembly)


class Server:
    """A server on a thread and an event loop of its own; see ``grpc.Server``, which it counts as an instance of.

    Its methods may be called from any thread. It stops when the program drops it or ends, as grpc's does.
    """

    def __init__(self, assembly: Assembly) -> None:
        register_with_grpc(Server, aio=False)
        self._assembly = assembly
        self._lock = threading.Lock()
        self._terminated = threading.Event()
        self._thread: _LoopThread | None = None

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

    def start(self) -> None:
        """Starts serving, and returns when clients can connect.

        Raises:
            StartupError: with all that is wrong with what is registered.
            ValueError: it was started or stopped before.
        """
        with self._lock:
            if self._thread is not None or self._terminated.is_set():
                raise ValueError("Cannot start already-started server!")
            thread = _LoopThread(Lifecycle(self._assembly), self._terminated)
            thread.start()
            self._thread = thread
            weakref.finalize(self, thread.end)

    def stop(self, grace: float | None) -> threading.Event:
        """Refuses new calls at once; the event is set when none is left. Those that take longer than ``grace`` are cancelled.

        None cancels them now, and waits. Of several stops the one that would end first counts.
        """
        with self._lock:
            if self._thread is None:
                self._assembly.close()
                self._terminated.set()
            else:
                self._thread.stop(grace)
        if grace is None:
            self._terminated.wait()
        return self._terminated

    def wait_for_termination(self, timeout: float | None = None) -> bool:
        """Waits until the server has stopped; True if the timeout came first."""
        return not self._terminated.wait(timeout)


class _LoopThread:
    """The thread, which does not keep its server alive."""

    def __init__(self, life: Lifecycle, terminated: threading.Event) -> None:
        self._life = life
        self._terminated = terminated
        self._started: Future[asyncio.AbstractEventLoop] = Future()
        # A daemon: a program that ends does not wait for servers that it did not stop, but for `end`.
        self._thread = threading.Thread(target=self._run, name="narthex-server", daemon=True)

    def start(self) -> None:
        """Returns when it serves, or raises why it does not."""
        self._thread.start()
        self._started.result()

    def stop(self, grace: float | None) -> None:
        """Asks for a stop; there may have been others."""
        loop = self._started.result()
        stopping = self._life.stop(grace)
        try:
            asyncio.run_coroutine_threadsafe(stopping, loop)
        except RuntimeError:
            # The loop is closed: an earlier stop has ended it.
            stopping.close()

    def end(self) -> None:
        """For a server that nobody can stop any more."""
        self.stop(None)
        if threading.current_thread() is not self._thread:
            self._thread.join(_EXIT_PATIENCE)

    def _run(self) -> None:
        from narthex.server import drive, loop_factory

        try:
            with asyncio.Runner(loop_factory=loop_factory("uvloop")) as runner:
                loop = runner.get_loop()
                asyncio.set_event_loop(loop)
                drive(loop, self._life, loop.create_task(_serve(self._life, self._started)))
        finally:
            self._terminated.set()


async def _serve(life: Lifecycle, started: "Future[asyncio.AbstractEventLoop]") -> None:
    try:
        await life.start()
    except BaseException as error:
        started.set_exception(error)
        return
    started.set_result(asyncio.get_running_loop())
    await life.wait(None)
