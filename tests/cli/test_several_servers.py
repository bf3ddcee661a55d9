"""Several servers in one process, on loops that were running before them."""

import asyncio
import contextlib
import socket
import threading
from pathlib import Path

import httpx
import pytest
from narthex._native import Server
from narthex.config import Config
from narthex.server import loop_factory
from waiting import until


@pytest.fixture(params=["uvloop", "asyncio"])
def loop_name(request):
    return request.param


@pytest.fixture(autouse=True)
def threads_are_gone():
    """Whatever a server starts is gone once it is closed."""
    before = standbys()
    yield
    # The kernel shows a thread for a moment after it was joined.
    until(lambda: standbys() <= before, "there are more standbys than before")


def standbys():
    """How many threads are standbys; one that ends meanwhile, as the executor's may, is none."""
    names = []
    for path in Path("/proc/self/task").glob("*/comm"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            names.append(path.read_text())
    return names.count("narthex-standby\n")


@contextlib.asynccontextmanager
async def serving(app):
    """A server on the running loop; gives its URL and what stops it."""
    server = Server(Config(addresses=("127.0.0.1:0",), access_log=False), asyncio.get_running_loop(), app, {}, (), (), b"")
    assert server.prepare() == []
    await server.startup()
    server.serve()
    stopped = False

    async def stop():
        nonlocal stopped
        stopped = True
        assert await server.shutdown(10)
        server.close()

    try:
        yield server.addresses[0], stop
    finally:
        if not stopped:
            await stop()


def named(name, **paths):
    """An application that answers with its name and the number of the request; ``paths`` are what else it can do."""
    seen = 0

    async def app(scope, receive, send):
        nonlocal seen
        if scope["type"] != "http":
            raise ValueError("only http")
        seen += 1
        path = paths.get(scope["path"][1:])
        body = await path() if path else f"{name} {seen}".encode()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})

    return app


def get(url, path="/"):
    with httpx.Client(trust_env=False, timeout=20) as client:
        return client.get(url + path).text


async def fetch(url, path="/"):
    """From another thread: the loop serves meanwhile."""
    return await asyncio.to_thread(get, url, path)


def run(loop_name, main):
    loop = loop_factory(loop_name)()
    try:
        return loop.run_until_complete(asyncio.wait_for(main(), 50))
    finally:
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


def test_two_on_one_loop(loop_name):
    async def main():
        async with serving(named("second")) as (second, _), httpx.AsyncClient(trust_env=False) as client:

            async def ask_second():
                return (await client.get(second)).content

            async with serving(named("first", ask=ask_second)) as (first, stop_first):
                assert [await fetch(url) for url in (first, second) * 2] == ["first 1", "second 1", "first 2", "second 2"]
                assert await fetch(first, "/ask") == "second 3"
                many = await asyncio.gather(*(fetch(url) for url in (first, second) * 20))
                assert sorted(many) == sorted(f"{name} {n + 4}" for name in ("first", "second") for n in range(20))
                await stop_first()
                with pytest.raises(httpx.ConnectError):
                    await fetch(first)
                assert await fetch(second) == "second 24"
            assert await fetch(second) == "second 25"
        # The loop is as it was: it turns, and what is its own is served.
        await asyncio.sleep(0.01)

    run(loop_name, main)


def test_one_that_comes_and_goes_while_another_serves(loop_name):
    async def main():
        async with serving(named("stays")) as (stays, _):
            for number in range(10):
                async with serving(named("comes")) as (comes, _):
                    assert await fetch(comes) == "comes 1"
                    assert await fetch(stays) == f"stays {number + 1}"

    run(loop_name, main)


class InThread:
    """A server on a loop of its own in a thread of its own."""

    def __init__(self, loop_name, app):
        self._ready, self._problem = threading.Event(), None
        self._thread = threading.Thread(target=self._main, args=(loop_name, app))
        self._thread.start()
        assert self._ready.wait(20)

    def _main(self, loop_name, app):
        async def main():
            self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
            async with serving(app) as (self.url, _):
                self._ready.set()
                await self._stop.wait()

        run(loop_name, main)

    def stop(self):
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(20)
        assert not self._thread.is_alive()


def test_two_on_loops_in_two_threads(loop_name):
    release, blocked = threading.Event(), threading.Event()

    async def block():
        blocked.set()
        while not release.is_set():
            pass
        return b"released"

    first, second = InThread(loop_name, named("first", block=block)), InThread(loop_name, named("second"))
    try:
        assert [get(url) for url in (first.url, second.url)] == ["first 1", "second 1"]
        answer = []
        blocker = threading.Thread(target=lambda: answer.append(get(first.url, "/block")))
        blocker.start()
        assert blocked.wait(20)
        # Its own standby looks after the connections of the one that is blocked; the other serves as ever.
        assert get(second.url) == "second 2"
        address = httpx.URL(first.url)
        with socket.create_connection((address.host, address.port), timeout=20) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
            assert connection.recv(65536).startswith(b"HTTP/1.1 400 ")
        release.set()
        blocker.join(20)
        assert answer == ["released"]
        first.stop()
        with pytest.raises(httpx.ConnectError):
            get(first.url)
        assert get(second.url) == "second 3"
    finally:
        release.set()
        for server in (first, second):
            if server._thread.is_alive():
                server.stop()
