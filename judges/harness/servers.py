"""A program's gRPC server in either style, of Narthex or of grpc itself: nothing but the import differs.

That grpc can stand in for Narthex is how the judges' own servicers are judged: what fails with both is a fault of theirs.
"""

import asyncio
import importlib
import signal
import threading
from collections.abc import Callable, Sequence
from concurrent import futures
from dataclasses import dataclass, field
from typing import Any

STYLES = ("async", "sync")
THREADS = 32
"""More than any judge has calls in flight: a synchronous call that waits for another must not keep it from starting."""
GRACE = 2.0


@dataclass(frozen=True)
class Tls:
    """What a server shows, and whether it wants to see a certificate of this authority from its clients; all in PEM."""

    certificate: bytes
    key: bytes
    client_authority: bytes | None = None


@dataclass(frozen=True)
class Plan:
    """The server to run: ``library`` is ``narthex.grpc`` or ``grpc``, ``register`` adds the servicers to it."""

    style: str
    library: str
    register: Callable[[Any], None]
    tls: Tls | None = None
    options: Sequence[tuple[str, Any]] = field(default_factory=list)


def run(plan: Plan, ready: Callable[[int], None]) -> None:
    """Serves on a free port of the loopback interface until SIGTERM; ``ready`` is told the port once calls are answered."""
    if plan.style == "async":
        asyncio.run(_run_async(plan, ready))
    else:
        _run_sync(plan, ready)


async def _run_async(plan: Plan, ready: Callable[[int], None]) -> None:
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    server = importlib.import_module(f"{plan.library}.aio").server(options=plan.options)
    plan.register(server)
    port = _add_port(plan, server)
    await server.start()
    ready(port)
    await stopped.wait()
    await server.stop(GRACE)


def _run_sync(plan: Plan, ready: Callable[[int], None]) -> None:
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    pool = futures.ThreadPoolExecutor(THREADS)
    server = importlib.import_module(plan.library).server(pool, options=plan.options)
    plan.register(server)
    port = _add_port(plan, server)
    server.start()
    ready(port)
    stopped.wait()
    server.stop(GRACE).wait()


def _add_port(plan: Plan, server: Any) -> int:
    if plan.tls is None:
        return server.add_insecure_port("127.0.0.1:0")
    library = importlib.import_module(plan.library)
    authority = plan.tls.client_authority
    credentials = library.ssl_server_credentials(
        [(plan.tls.key, plan.tls.certificate)], root_certificates=authority, require_client_auth=authority is not None
    )
    return server.add_secure_port("127.0.0.1:0", credentials)
