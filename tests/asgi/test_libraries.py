"""What handlers do with asyncio, anyio and clients of their own; on both loops, and with asyncio's debug mode."""

import pytest

LOOPS = {
    "uvloop": ("uvloop", False),
    "asyncio": ("asyncio", False),
    "uvloop-debug": ("uvloop", True),
    "asyncio-debug": ("asyncio", True),
}


@pytest.fixture(scope="module", params=LOOPS)
def server(serve, request):
    loop, debug = LOOPS[request.param]
    # -X dev as well: what is never awaited or closed is told at the end.
    env = {"PYTHONASYNCIODEBUG": "1", "PYTHONDEVMODE": "1"} if debug else {}
    with serve("asgi_kitchen:app", "--loop", loop, env=env) as server:
        with server.client() as client:
            assert client.get("/loop-kind").json() == [loop, debug]
        yield server
        assert server.stop() == 0
        told = [
            line for line in server.stderr().splitlines() if "never" in line or "ResourceWarning" in line or "Traceback" in line
        ]
        assert told == []


@pytest.fixture
def get(server, dial, version):
    connection = dial(server, version)

    def get(target, method="GET", **options):
        connection.request(target, method, **options)
        return connection.response(method)

    return get


@pytest.mark.parametrize("http", ["1", "2"])
def test_an_application_may_call_its_own_server(get, http):
    assert get(f"/calls-itself?http={http}").body == b"[0, 1, 2, 3, 4]"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("task-group", b'["abc", "slept"]'),
        ("with-timeout", b"in time"),
        ("current-task", b"[true, true, true, true, true, true, true, true]"),
        ("failing-group", b'[["on purpose"], true]'),
        ("nested-timeouts", b'["outer"]'),
        ("anyio-scopes", b'["shielded", true, true]'),
        ("anyio-group", b"piece piece piece end"),
        ("anyio-deadline", b"true"),
        ("anyio-thread", b"abc"),
        ("abandoned", b"fine"),
    ],
)
def test_in_a_handler(get, name, path, expected):
    response = get(f"/{path}?name={name}", "POST", body=b"abc")
    assert (response.status, response.body, response.cut) == (200, expected, False)


def test_a_task_group_ends_when_the_client_leaves(server, dial, version, name, notes):
    with dial(server, version) as connection:
        connection.request(f"/anyio-stream?name={name}")
        connection.head()
    assert notes(server, name, 2) == ["disconnected", "over"]


def test_bodies_and_streams(get):
    assert get("/sizes", "POST", body=b"\x01" * 200_000).body.endswith(b"200000]")
    assert get("/kinds").body.startswith(b"bytes bytearray")


def test_an_exception_is_a_500(serve, dial, version):
    with serve("asgi_kitchen:app", "--loop", "asyncio", env={"PYTHONASYNCIODEBUG": "1"}) as server:
        connection = dial(server, version)
        connection.request("/crash?phase=start")
        assert connection.response().status == 500
        connection.close()
