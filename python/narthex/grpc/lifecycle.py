"""The life of a server object on an event loop that is the program's: made, serving, stopping, stopped.

``narthex serve`` has its own life, which is the whole process's (``narthex.server``).
"""

import asyncio
import enum
import weakref
from typing import TYPE_CHECKING

from narthex.grpc.assembly import Assembly

if TYPE_CHECKING:
    from narthex._native import Server


class _Stage(enum.Enum):
    NEW = enum.auto()
    SERVING = enum.auto()
    STOPPING = enum.auto()
    STOPPED = enum.auto()


class Lifecycle:
    """One server's life. But for the constructor, all is called on the event loop."""

    def __init__(self, assembly: Assembly) -> None:
        self._assembly = assembly
        self._stage = _Stage.NEW
        self._server: Server | None = None
        self._stopped = asyncio.Event()
        self._left: weakref.finalize[[Server, asyncio.AbstractEventLoop], Lifecycle] | None = None

    async def start(self) -> None:
        """Serves from now on; a second start changes nothing.

        Raises:
            StartupError: with all that is wrong with what is registered.
            UsageError: it has been stopped.
        """
        if self._stage is _Stage.SERVING:
            return
        if self._stage is not _Stage.NEW:
            from narthex.grpc.errors import UsageError

            raise UsageError("The server was stopped: make another one")
        loop = asyncio.get_running_loop()
        server = self._assembly.build(loop)
        self._server, self._stage = server, _Stage.SERVING
        # For a program that forgets the server, or ends without stopping it.
        self._left = weakref.finalize(self, _leave, server, loop)
        try:
            await server.startup()
            server.serve()
        except BaseException:
            self._finish()
            raise

    async def stop(self, grace: float | None) -> None:
        """Refuses what is new at once, and returns when nothing is left; what takes longer than ``grace`` is cancelled.

        Whoever waits here may be cancelled; the server stops all the same.
        """
        if self._server is None or self._stage is _Stage.STOPPED:
            return
        self._stage = _Stage.STOPPING
        # Each stop has its own time in the native half, and the first that is over ends them all.
        ended = asyncio.ensure_future(_wait(self._server, max(grace or 0.0, 0.0)))
        ended.add_done_callback(lambda _: self._finish())
        await asyncio.shield(ended)

    async def wait(self, timeout: float | None) -> bool:
        """Waits for the end; True if the timeout came first."""
        try:
            async with asyncio.timeout(timeout):
                await self._stopped.wait()
        except TimeoutError:
            return True
        return False

    def take_absorbed_exit(self) -> bool:
        """As the native half's: for whoever runs the loop."""
        return self._server is not None and self._server.take_absorbed_exit()

    def _finish(self) -> None:
        if self._stage is _Stage.STOPPED or self._server is None:
            return
        self._stage = _Stage.STOPPED
        if self._left is not None:
            self._left.detach()
        self._server.close()
        self._stopped.set()


async def _wait(server: "Server", timeout: float) -> None:
    await server.shutdown(timeout)


def _leave(server: "Server", loop: asyncio.AbstractEventLoop) -> None:
    """Ends a server that nobody will stop any more."""
    try:
        here = asyncio.get_running_loop() is loop
    except RuntimeError:
        here = False
    if loop.is_running() and not here:
        loop.call_soon_threadsafe(server.close)
    else:
        server.close()
