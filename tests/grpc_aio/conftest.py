"""The same tests for our server objects and for grpcio's, which are the oracle: ``pytest tests/grpc_aio --grpc-server=grpc``.

What is asserted is what a servicer, an interceptor and a client can see, as grpcio's own tests of its servers see it. Where we
differ on purpose the test is marked ``differs``, with the reason; it then has to fail with grpcio (with ``sometimes`` it may).
"""

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Any

import pytest
from grpc_servers import Handlers, Implementation, Served, aio_served, implementation, served

AioServing = Callable[..., AbstractAsyncContextManager[Served]]
Serving = Callable[..., AbstractContextManager[Served]]


def pytest_collection_modifyitems(config, items):
    """With the oracle, what is marked ``differs`` is expected to fail, and is an error if it does not."""
    if config.getoption("grpc_server") != "grpc":
        return
    for item in items:
        for mark in item.iter_markers("differs"):
            strict = not mark.kwargs.get("sometimes")
            item.add_marker(pytest.mark.xfail(reason=f"grpcio differs: {mark.args[0]}", strict=strict))


@pytest.fixture(scope="session")
def implementation_under_test(pytestconfig) -> Implementation:
    """The servers that these tests are about."""
    return implementation(pytestconfig.getoption("grpc_server"))


@pytest.fixture(scope="session", params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request) -> tuple[str, dict[str, bool]]:
    """The event loop that coroutine tests run on."""
    return "asyncio", {"use_uvloop": request.param}


@pytest.fixture(scope="session")
async def one_loop(anyio_backend) -> AsyncIterator[None]:
    """Keeps the event loop from test to test: grpcio's client fails now and then where loops come and go."""
    yield  # noqa: PT022 - anyio keeps the loop as long as there is a generator to be ended on it


@pytest.fixture
def aio_serving(implementation_under_test) -> AioServing:
    """Starts an asynchronous server of one method, or of ``{name: handler}``; use it in ``async with``.

    Keyword arguments are those of ``grpc.aio.server``; ``channel_options`` are the client's.
    """

    def start(handlers: Handlers, *, channel_options: Sequence[tuple[str, Any]] = (), **arguments: Any):
        return aio_served(implementation_under_test.aio_server(**arguments), handlers, channel_options)

    return start


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    """Threads for synchronous handlers."""
    with ThreadPoolExecutor(max_workers=8, thread_name_prefix="given-pool") as pool:
        yield pool


@pytest.fixture
def serving(implementation_under_test, pool) -> Serving:
    """Starts a synchronous server of one method, or of ``{name: handler}``; use it in ``with``."""

    def start(handlers: Handlers, *, channel_options: Sequence[tuple[str, Any]] = (), **arguments: Any):
        return served(implementation_under_test.server(pool, **arguments), handlers, channel_options)

    return start
