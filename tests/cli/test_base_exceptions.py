"""What is no ``Exception``, raised wherever user code runs: the call fails, it is told once, and the server goes on."""

import contextlib

import grpc
import httpx
import pytest

KINDS = ["SystemExit", "KeyboardInterrupt", "GeneratorExit", "CancelledError", "Own"]
CANCELLED = "the ASGI application was cancelled before its response was complete"


@pytest.fixture(params=["uvloop", "asyncio"])
def loop(request):
    return request.param


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture
def server(serve, loop):
    """One for each test, since all of what it logs is looked at."""
    with serve("exits:app", "--grpc", "exits:register", "--loop", loop) as server:
        yield server


def told(server):
    """What the stopped server logged of errors: first lines of entries, and what their tracebacks end in."""
    errors = [line for line in server.stderr().splitlines() if line.startswith("ERROR:")]
    raised = [line for line in server.stderr().splitlines() if line.partition(":")[0].rpartition(".")[2] in KINDS]
    return errors, raised


def check_told(server, kind, entry, cancelled=CANCELLED):
    """One entry, with a traceback but for a cancellation."""
    errors, raised = told(server)
    assert len(errors) == 1, server.stderr()
    if kind == "CancelledError" and cancelled is not None:
        assert cancelled in errors[0]
        assert raised == []
    else:
        assert entry in errors[0]
        assert len(raised) == 1


@pytest.mark.parametrize("where", ["", "/later"])
def test_before_the_response_it_is_a_500(server, kind, where):
    with server.client() as client:
        assert client.get(f"/{kind}{where}").status_code == 500
        assert client.get("/").text == "still here"
    assert server.stop() == 0
    check_told(server, kind, "Exception in ASGI application")


def test_in_the_midst_of_the_response_it_is_cut(server, kind):
    with server.client() as client:
        with client.stream("GET", f"/{kind}/started") as response:
            assert response.status_code == 200
            with pytest.raises(httpx.RemoteProtocolError):
                response.read()
        assert client.get("/").text == "still here"
    assert server.stop() == 0
    check_told(server, kind, "Exception in ASGI application")


def test_after_the_response_it_is_only_told(server, kind):
    with server.client() as client:
        assert client.get(f"/{kind}/complete").text == "complete"
        assert client.get("/").text == "still here"
    assert server.stop() == 0
    if kind == "CancelledError":
        # Whom nobody waits for may be cancelled.
        assert told(server) == ([], [])
    else:
        check_told(server, kind, "Exception in ASGI application")


@pytest.mark.parametrize("kind", ["GeneratorExit", "CancelledError", "Own"])
def test_of_a_task_that_the_call_awaits(server, kind):
    with server.client() as client:
        assert client.get(f"/{kind}/child").status_code == 500
        assert client.get("/").text == "still here"
    assert server.stop() == 0
    check_told(server, kind, "Exception in ASGI application")


@pytest.mark.parametrize("where", ["callback", "task"])
@pytest.mark.parametrize(("kind", "code"), [("SystemExit", 7), ("KeyboardInterrupt", 130)])
def test_an_exit_outside_of_calls_is_meant(serve, loop, where, kind, code):
    with serve("exits:app", "--loop", loop) as server:
        with server.client() as client:
            assert client.get("/GeneratorExit").status_code == 500
            # The answer may be out before the process ends, or not.
            with contextlib.suppress(httpx.TransportError):
                assert client.get(f"/{kind}/{where}").text == "left behind"
        assert server.wait() == code


@pytest.mark.parametrize("where", ["callback", "task"])
@pytest.mark.parametrize("kind", ["GeneratorExit", "Own"])
def test_others_outside_of_calls_are_asyncios_to_tell(server, where, kind):
    with server.client() as client:
        assert client.get(f"/{kind}/{where}").text == "left behind"
        assert client.get("/").text == "still here"
    assert server.stop() == 0


@pytest.mark.parametrize("when", ["", " later"])
def test_in_a_servicer_on_the_loop(server, kind, when):
    with grpc.insecure_channel(server.target) as channel:
        with pytest.raises(grpc.RpcError) as raised:
            channel.unary_unary("/test.Exits/Raise")((kind + when).encode(), timeout=20)
        expected = grpc.StatusCode.CANCELLED if kind == "CancelledError" else grpc.StatusCode.UNKNOWN
        assert raised.value.code() is expected
        assert channel.unary_unary("/test.Exits/Echo")(b"here", timeout=20) == b"here"
    assert server.stop() == 0
    if kind == "CancelledError":
        assert told(server)[1] == []
    else:
        check_told(server, kind, f"Unexpected [{kind}] raised by servicer method [/test.Exits/Raise]")


def test_in_a_servicer_on_a_lane(server, kind):
    with grpc.insecure_channel(server.target) as channel:
        # More often than there may be lanes: none of them is lost by it.
        for _ in range(40 if kind == "SystemExit" else 1):
            with pytest.raises(grpc.RpcError) as raised:
                channel.unary_unary("/test.Exits/RaiseSync")(kind.encode(), timeout=20)
            assert raised.value.code() is grpc.StatusCode.UNKNOWN
        assert channel.unary_unary("/test.Exits/EchoSync")(b"here", timeout=20) == b"here"
    assert server.stop() == 0
    if kind != "SystemExit":
        entry = f"Unexpected [{kind}] raised by servicer method [/test.Exits/RaiseSync]"
        check_told(server, kind, entry, cancelled=None)


@pytest.mark.parametrize("method", ["RaiseItems", "RaiseWriter", "RaiseItemsSync"])
def test_in_a_servicers_stream(server, kind, method):
    with grpc.insecure_channel(server.target) as channel:
        items = channel.unary_stream(f"/test.Exits/{method}")(kind.encode(), timeout=20)
        assert next(items) == b"first"
        with pytest.raises(grpc.RpcError) as raised:
            next(items)
        on_the_loop = method != "RaiseItemsSync"
        cancelled = kind == "CancelledError" and on_the_loop
        assert raised.value.code() is (grpc.StatusCode.CANCELLED if cancelled else grpc.StatusCode.UNKNOWN)
        assert channel.unary_unary("/test.Exits/Echo")(b"here", timeout=20) == b"here"
    assert server.stop() == 0
    if cancelled:
        assert told(server)[1] == []
    else:
        check_told(server, kind, f"Unexpected [{kind}] raised by servicer method [/test.Exits/{method}]", cancelled=None)


@pytest.mark.parametrize("phase", ["call", "startup"])
def test_in_the_lifespans_start_it_is_a_failed_start(narthex, apps, loop, kind, phase):
    arguments = ("serve", "--app-dir", str(apps), "exits:lifespan", "--factory", "--bind", "127.0.0.1:0", "--loop", loop)
    ended = narthex(*arguments, env={"NX_RAISES": f"{kind} {phase}"})
    assert ended.returncode == 3
    assert ended.stderr.count(kind) == 1


@pytest.mark.parametrize("phase", ["up", "shutdown"])
def test_later_in_the_lifespan_it_is_told(serve, loop, kind, phase):
    with serve("exits:lifespan", "--factory", "--loop", loop, env={"NX_RAISES": f"{kind} {phase}"}) as server:
        with server.client() as client:
            assert client.get("/").text == "still here"
        assert server.stop() == 0
    errors, raised = told(server)
    if kind == "CancelledError":
        assert len(errors) == (phase == "shutdown"), server.stderr()
    else:
        assert len(errors) == 1, server.stderr()
        assert len(raised) == 1
