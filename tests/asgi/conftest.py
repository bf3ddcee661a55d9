"""One server with the kitchen-sink application for most of the ASGI tests, and connections to it."""

import contextlib
import itertools
import os
import select

import pytest
from waiting import until
from wires import Http1, Http2

VERSIONS = {"1.1": Http1, "2": Http2}

_numbers = itertools.count()


@pytest.fixture(scope="session")
def kitchen(serve):
    """A server of ``asgi_kitchen:app``, with short timeouts for nobody but those who ask for their own server."""
    with serve("asgi_kitchen:app", "--no-access-log") as server:
        yield server


@pytest.fixture(params=VERSIONS)
def version(request):
    """Both versions of HTTP."""
    return request.param


@pytest.fixture
def dial():
    """Makes connections, ``dial(server, version)``, that are closed after the test."""
    made = []

    def make(server, version="1.1", **options):
        address = server.url.removeprefix("unix:") if server.url.startswith("unix:") else (server.host, server.port)
        made.append(VERSIONS[version](address, **options))
        return made[-1]

    yield make
    for connection in made:
        connection.close()


@pytest.fixture
def connection(kitchen, dial, version):
    """A connection to the kitchen, of both versions."""
    return dial(kitchen, version)


@pytest.fixture
def name(request):
    """A name that no other test has, under which the application notes what happens to it."""
    return f"{request.node.originalname}-{next(_numbers)}"


@pytest.fixture
def notes():
    """Waits until the application has noted ``count`` things under a name, and returns all of them."""

    def wait(server, name, count=1):
        with server.client() as client:
            return client.get("/notes", params={"name": name, "count": count}).raise_for_status().json()

    return wait


@pytest.fixture
def go():
    """Opens the gate at which the application waits under a name."""

    def go_on(server, name):
        with server.client() as client:
            client.get("/go", params={"name": name}).raise_for_status()

    return go_on


@pytest.fixture
def blocking(dial, tmp_path):
    """A context in which a request keeps the server's event loop busy.

    It ``sleeps``, ``spins``, ``imports`` a module that takes long, or is in C code that ``holds`` the interpreter, there or
    on another thread (``holds-elsewhere``).
    """

    @contextlib.contextmanager
    def block(server, how="sleeps"):
        release = tmp_path / "release"
        if how.startswith("holds"):
            os.mkfifo(release)
        connection = dial(server)
        connection.request(f"/block?how={how}&file={release}")
        until(release.with_suffix(".busy").exists)
        try:
            yield connection
            # What was done was done meanwhile: there is no answer yet.
            assert not select.select([connection.socket], [], [], 0)[0]
        finally:
            if how.startswith("holds"):
                with release.open("wb") as pipe:
                    pipe.write(b"x")
            else:
                release.touch()
        assert connection.response().body == b"blocked"

    return block
