"""A server of ``grpc_calls`` for all tests of this folder, and a grpcio client of it."""

import itertools
import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import grpc
import httpx
import pytest

PATIENCE = 20.0
_names = itertools.count()


class Client:
    """Calls methods of ``test.Calls`` with bytes; every call has a timeout, so that none hangs."""

    def __init__(self, channel: grpc.Channel) -> None:
        self.channel = channel

    def method(self, name: str) -> grpc.UnaryUnaryMultiCallable:
        return self.channel.unary_unary(name if name.startswith("/") else f"/test.Calls/{name}")

    def __call__(self, name: str, request: bytes = b"", **options) -> bytes:
        return self.method(name)(request, timeout=PATIENCE, **options)

    def with_call(self, name: str, request: bytes = b"", **options) -> tuple[bytes, grpc.Call]:
        return self.method(name).with_call(request, timeout=PATIENCE, **options)

    def json(self, name: str, request: object = None, **options):
        return json.loads(self(name, json.dumps(request).encode(), **options))

    def error(self, name: str, request: bytes = b"", **options) -> grpc.RpcError:
        with pytest.raises(grpc.RpcError) as raised:
            self(name, request, **options)
        return raised.value

    def seen(self, event: str):
        """Waits for the event and returns its value."""
        return json.loads(self("Seen", event.encode()))

    def note(self, event: str) -> None:
        self("Note", event.encode())


# The tests of these run in asyncio's debug mode too, where tasks and callbacks are made, called and checked otherwise.
DEBUGGED = ("test_calls", "test_cancellation", "test_streams")


def pytest_generate_tests(metafunc):
    if "debug" in metafunc.fixturenames and metafunc.module.__name__.endswith(DEBUGGED):
        metafunc.parametrize("debug", [False, True], ids=["plain", "debug"], scope="module")


@pytest.fixture(scope="module")
def debug() -> bool:
    """Whether the server of the module runs in asyncio's debug mode."""
    return False


@pytest.fixture(scope="module")
def serve_calls(serve, debug):
    """Serves what a registrar registers, in the mode of the module."""
    options = ("--loop", "asyncio") if debug else ()
    env = {"PYTHONASYNCIODEBUG": "1"} if debug else {}

    def start(registrar: str):
        return serve("--grpc", registrar, *options, env=env)

    return start


@pytest.fixture(scope="module")
def server(serve_calls):
    with serve_calls("grpc_calls:register") as server:
        yield server


@pytest.fixture(scope="session")
def connect() -> Callable[[str], AbstractContextManager[Client]]:
    """Makes a client of another server than this folder's."""

    @contextmanager
    def connect(target: str) -> Iterator[Client]:
        # Without the option grpcio names the socket's path as the authority, which is none (RFC 3986 3.2).
        options = [("grpc.default_authority", "localhost")] if target.startswith("unix:") else []
        with grpc.insecure_channel(target, options=options) as channel:
            yield Client(channel)

    return connect


@pytest.fixture
def client(server, connect):
    with connect(server.target) as client:
        yield client


@pytest.fixture
def begin(server) -> Callable[[str, object], AbstractContextManager[httpx.Response]]:
    """Calls a method with JSON and gives the response as soon as its head is there."""

    @contextmanager
    def begin(method: str, request: object) -> Iterator[httpx.Response]:
        message = json.dumps(request).encode()
        envelope = b"\0" + len(message).to_bytes(4, "big") + message
        head = {"content-type": "application/grpc", "te": "trailers"}
        with (
            server.client(http1=False, http2=True) as client,
            client.stream("POST", f"/test.Calls/{method}", content=envelope, headers=head) as response,
        ):
            yield response

    return begin


@pytest.fixture
def name() -> Callable[[], str]:
    """A name that no other test uses."""
    return f"event-{next(_names)}"


@pytest.fixture(params=["", "Sync"], ids=["async", "sync"])
def kind(request) -> str:
    """The end of a method's name: each test runs with a coroutine function and with a plain one."""
    return request.param
