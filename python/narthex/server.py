"""The life of the serving process: load, check everything, serve, stop.

All problems of a start are found before anything is served and told together. What is served and how is native; this module
only says when: ``prepare`` (routes, sockets), ``startup`` (lifespan), ``discover`` (what upstreams have), ``serve``,
``shutdown``, in this order.
"""

import asyncio
import contextlib
import logging
import os
import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, NoReturn, Protocol, TypeVar

from narthex import logs, standard_streams, startup
from narthex.config import Options
from narthex.django import connections
from narthex.exceptions import Problem, StartupError
from narthex.grpc import descriptors, health
from narthex.logs import ERRORS, LOGGER
from narthex.signals import SIGNALS, Interrupted, Signals
from narthex.startup import Loaded

if TYPE_CHECKING:
    from narthex._native import Server

EXIT_OK: Final = 0
EXIT_FAILED: Final = 1
EXIT_PROBLEMS: Final = 2
EXIT_LIFESPAN: Final = 3

_T = TypeVar("_T")


class _Absorbing(Protocol):
    """A server whose calls may end by an exit."""

    def take_absorbed_exit(self) -> bool: ...


def serve(options: Options, problems: list[Problem]) -> int:
    """Serves until a signal says stop, and returns the exit code.

    ``problems`` are those that reading the options has found; the checks go on from there.

    Raises:
        StartupError: with all that keeps the server from starting.
    """
    from narthex import _native

    logs.configure(options.log_level)
    _native.init_logging(options.log_level, logs.use_color())
    _native.keep_freed_memory()
    if options.ready_fd is not None:
        _keep_private(options.ready_fd)
    with Signals() as signals, asyncio.Runner(loop_factory=loop_factory(options.loop)) as runner:
        loop = runner.get_loop()
        # Objects that a module makes at its import may ask for the loop before it runs.
        asyncio.set_event_loop(loop)
        try:
            with signals.interrupting():
                loaded = startup.load(options, runner)
        except Interrupted:
            # At once: leaving the runner would let the user's coroutines run once more.
            _leave(_stopped_early(signals))
        server = _prepare(options, loop, loaded, problems)
        try:
            signals.watch(loop, lambda: server.limit_stop(options.config.graceful_timeout, signals.exit_code))
            # Python's handlers are in place: now what hears of a signal before them, and where they are not called.
            server.limit_stop_on(SIGNALS, options.config.graceful_timeout)
            code, finished = drive(loop, server, loop.create_task(_run(server, options, signals)))
        finally:
            server.close()
            asyncio.set_event_loop(None)
        if not finished:
            _leave(code)
    return code


def drive(loop: asyncio.AbstractEventLoop, server: "_Absorbing", life: asyncio.Task[_T]) -> _T:
    """Runs the loop until the server's life is over, whatever a handler raises.

    asyncio lets ``SystemExit`` and ``KeyboardInterrupt`` out of the loop besides failing the task. Where the task is a call,
    the call has failed and that is all: a request must not end the process. Any other task's exit is meant. So is that of a
    process forked in a task, which has nothing to tidy up here: it all belongs to its parent.
    """
    process = os.getpid()
    meant: list[BaseException] = []

    def judge(error: BaseException) -> None:
        if not server.take_absorbed_exit():
            meant.append(error)
            raise error

    while True:
        try:
            return loop.run_until_complete(life)
        except (SystemExit, KeyboardInterrupt) as error:
            if os.getpid() != process:
                _leave(_status(error))
            if life.done() or error in meant:
                raise
            # The native half learns of a task's end by its callbacks, which the exit has kept from running: they are in the
            # loop's queue, before this. A run of the loop just for them could be left by the next call's exit, and uvloop
            # would then take the end of that run for the end of the next.
            loop.call_soon(judge, error)


def _status(error: SystemExit | KeyboardInterrupt) -> int:
    """What a process exits with that this exception ended."""
    if isinstance(error, SystemExit):
        return error.code & 0xFF if isinstance(error.code, int) else int(error.code is not None)
    return EXIT_FAILED


def loop_factory(name: str) -> Callable[[], asyncio.AbstractEventLoop]:
    """What makes the event loop of this name; asyncio's own if uvloop is missing, which the options' check has told."""
    if name == "uvloop":
        try:
            import uvloop
        except ImportError:
            pass
        else:
            return uvloop.new_event_loop
    return asyncio.new_event_loop


def _prepare(options: Options, loop: asyncio.AbstractEventLoop, loaded: Loaded, problems: list[Problem]) -> "Server":
    """Everything else that can fail, but for the lifespan: all is tried, and all that failed is in the one error."""
    from narthex._native import Server

    # An application that configures logging may have silenced us in passing.
    logs.reconfigure()
    registrar = loaded.registrar
    collected = descriptors.collect(registrar.services)
    server = Server(
        options.config,
        loop,
        loaded.app,
        registrar.methods,
        registrar.generic_handlers,
        registrar.services,
        collected.file_descriptor_set,
        interceptors=registrar.interceptors,
        wsgi=loaded.wsgi,
    )
    found = [*problems, *loaded.problems, *_interpreter_problems(), *_wsgi_problems(options, loaded)]
    found += [Problem(where, what, hint) for where, what, hint in server.prepare()]
    if found:
        server.close()
        raise StartupError(found)
    health.follow(server)
    connections.close_after_startup()
    for service in server.undescribed():
        LOGGER.warning(_without_descriptor(service))
    return server


def _wsgi_problems(options: Options, loaded: Loaded) -> list[Problem]:
    if not loaded.wsgi or options.config.application_close_timeout is None:
        return []
    hint = "Leave it out: a thread cannot be cancelled. A WSGI application learns by what it writes that its client has left."
    return [Problem("--application-close-timeout", "is for ASGI applications, and APP is WSGI", hint)]


def _interpreter_problems() -> list[Problem]:
    # The native half asks a free-threaded interpreter to take the GIL back; only an explicit wish keeps it from doing so.
    if getattr(sys, "_is_gil_enabled", lambda: True)():
        return []
    hint = "Leave PYTHON_GIL=0 and -X gil=0 out, or use the usual build of Python."
    return [Problem("the interpreter", "runs without its GIL, which Narthex does not support yet", hint)]


def _without_descriptor(service: str) -> str:
    return (
        f"{service} is served as gRPC alone, without JSON routes and reflection: its descriptor is not in Python's pool"
        " (is its _pb2 module imported?), and no --proto or --descriptor-set describes it"
    )


async def _run(server: "Server", options: Options, signals: Signals) -> tuple[int, bool]:
    """From the lifespan's startup to its shutdown. Returns the exit code and whether all that was in flight has ended."""
    if signals.asked.is_set():
        return _stopped_early(signals), False
    stopped = asyncio.ensure_future(signals.asked.wait())
    started = asyncio.ensure_future(_wait_for(server.startup()))
    await asyncio.wait({started, stopped}, return_when=asyncio.FIRST_COMPLETED)
    if not started.done():
        started.cancel()
        return _stopped_early(signals), False
    try:
        started.result()
    except RuntimeError as error:
        stopped.cancel()
        ERRORS.error("The application's lifespan startup failed%s", _reason(error))
        return EXIT_LIFESPAN, True
    if options.config.upstreams.targets:
        discovered = asyncio.ensure_future(_wait_for(server.discover()))
        await asyncio.wait({discovered, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if discovered.done():
            # Upstreams that do not answer have been told of; what is raised here is a fault of Narthex itself.
            discovered.result()
        else:
            discovered.cancel()
    server.serve()
    _tell_ready(server.addresses, options.ready_fd)
    await stopped
    timeout = options.config.graceful_timeout
    LOGGER.info("Shutting down on %s, in %g seconds at most; a second signal ends it at once", signals.name, timeout)
    finished = await server.shutdown(timeout)
    if finished:
        LOGGER.info("Finished")
    # Otherwise the native half has told what was cut off.
    return EXIT_OK, finished


def _stopped_early(signals: Signals) -> int:
    LOGGER.info("Stopped by %s before start-up was complete", signals.name)
    return signals.exit_code


async def _wait_for(awaitable: Awaitable[_T]) -> _T:
    return await awaitable


def _reason(error: Exception) -> str:
    return f": {error}" if str(error) else ""


def _keep_private(descriptor: int) -> None:
    """Keeps it from processes that the application starts: whoever reads it would wait for their end too."""
    if descriptor not in standard_streams.DESCRIPTORS:
        os.set_inheritable(descriptor, False)


def _tell_ready(addresses: list[str], descriptor: int | None) -> None:
    for address in addresses:
        LOGGER.info("Narthex running on %s (Press CTRL+C to quit)", address)
    if descriptor is None:
        return
    try:
        os.write(descriptor, (" ".join(addresses) + "\n").encode())
        if descriptor not in standard_streams.DESCRIPTORS:
            os.close(descriptor)
    except OSError as error:
        LOGGER.warning("Nobody reads --ready-fd %d: %s", descriptor, error.strerror)


def _leave(code: int) -> NoReturn:
    """Ends the process without waiting for threads: the time for what is in flight is over, and Python would join them all."""
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        # The application may have closed it or taken it away, and whoever reads it may be gone.
        with contextlib.suppress(AttributeError, OSError, ValueError):
            stream.flush()
    os._exit(code)
