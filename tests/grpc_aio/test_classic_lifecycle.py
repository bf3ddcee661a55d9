"""Making, starting and stopping ``grpc.server(...)``, which needs no event loop of its caller's."""

import gc
import signal
import subprocess
import sys
import threading
from pathlib import Path

import grpc
import pytest
from grpc import StatusCode
from grpc_servers import METHOD, PATIENCE, Calls, generic

NO_REUSE = (("grpc.so_reuseport", 0),)
ECHO = grpc.unary_unary_rpc_method_handler(lambda request, context: request)


class Gate:
    def __init__(self):
        self.arrived, self.open = threading.Event(), threading.Event()

    def unary(self, request, context):
        self.arrived.set()
        assert self.open.wait(PATIENCE)
        return b"passed"

    @property
    def handler(self):
        return grpc.unary_unary_rpc_method_handler(self.unary)


def begin(served):
    return served.channel.unary_unary(METHOD).future(b"", timeout=PATIENCE)


def test_the_server_is_a_grpc_server(implementation_under_test, pool):
    assert isinstance(implementation_under_test.server(pool), grpc.Server)


def test_what_is_no_generic_handler(implementation_under_test, pool):
    with pytest.raises(AttributeError, match=r"grpc\.GenericRpcHandler"):
        implementation_under_test.server(pool, handlers=[object()])
    server = implementation_under_test.server(pool)
    with pytest.raises(AttributeError, match=r"grpc\.GenericRpcHandler"):
        server.add_generic_rpc_handlers([object()])


def test_an_address_that_is_taken(implementation_under_test, pool):
    server = implementation_under_test.server(pool, options=NO_REUSE)
    port = server.add_insecure_port("localhost:0")
    with pytest.raises(RuntimeError, match=f"Failed to bind to address localhost:{port}"):
        server.add_insecure_port(f"localhost:{port}")


def test_a_server_that_is_never_started(implementation_under_test, pool):
    server = implementation_under_test.server(pool)
    server.add_insecure_port("127.0.0.1:0")
    del server
    gc.collect()


def test_stopping_a_server_that_was_not_started(implementation_under_test, pool):
    server = implementation_under_test.server(pool)
    server.add_insecure_port("127.0.0.1:0")
    assert server.stop(None).wait(PATIENCE)


def test_starting_twice(implementation_under_test, pool):
    server = implementation_under_test.server(pool)
    server.add_insecure_port("127.0.0.1:0")
    server.start()
    with pytest.raises(ValueError, match="Cannot start already-started server"):
        server.start()
    server.stop(None).wait(PATIENCE)


def test_handlers_that_come_after_the_start(implementation_under_test, pool, caplog):
    server = implementation_under_test.server(pool)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        server.add_registered_method_handlers("test.Service", {"Registered": ECHO})
        assert "Cannot register method handlers" in caplog.text
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            calls = Calls(channel)
            for method in ("Registered", "Method"):
                with pytest.raises(grpc.RpcError) as raised:
                    calls.unary_unary(method=method)
                assert raised.value.code() is StatusCode.UNIMPLEMENTED
            server.add_generic_rpc_handlers((generic(ECHO),))
            assert calls.unary_unary(b"late") == b"late"
    finally:
        server.stop(None).wait(PATIENCE)


def test_stop_returns_an_event_at_once(serving):
    gate = Gate()
    with serving(gate.handler) as served:
        call = begin(served)
        assert gate.arrived.wait(PATIENCE)
        stopped = served.server.stop(PATIENCE)
        assert not stopped.is_set()
        gate.open.set()
        assert call.result() == b"passed"
        assert stopped.wait(PATIENCE)


@pytest.mark.parametrize("grace", [None, 0.2])
def test_grace_that_is_over(serving, grace):
    gate = Gate()
    with serving(gate.handler) as served:
        call = begin(served)
        assert gate.arrived.wait(PATIENCE)
        stopped = served.server.stop(grace)
        assert call.code() is StatusCode.UNAVAILABLE
        gate.open.set()
        assert stopped.wait(PATIENCE)


def test_the_shortest_grace_of_several_counts(serving):
    gate = Gate()
    with serving(gate.handler) as served:
        call = begin(served)
        assert gate.arrived.wait(PATIENCE)
        first = served.server.stop(60)
        second = served.server.stop(None)
        assert call.code() is StatusCode.UNAVAILABLE
        gate.open.set()
        assert first.wait(PATIENCE)
        assert second.wait(PATIENCE)


def test_no_call_is_taken_after_the_stop(serving):
    with serving(ECHO) as served:
        assert served.unary_unary(b"x") == b"x"
        assert served.server.stop(None).wait(PATIENCE)
        with pytest.raises(grpc.RpcError) as raised:
            served.unary_unary(b"x")
        assert raised.value.code() is StatusCode.UNAVAILABLE


def test_waiting_for_termination(serving):
    with serving(ECHO) as served:
        assert served.server.wait_for_termination(0.05) is True, "it is running still"
        ended = []
        waiting = threading.Thread(target=lambda: ended.append(served.server.wait_for_termination()))
        waiting.start()
        served.server.stop(None)
        waiting.join(PATIENCE)
        assert ended == [False]
        assert served.server.wait_for_termination(PATIENCE) is False


def test_several_servers_in_one_process(serving):
    def saying(word):
        return grpc.unary_unary_rpc_method_handler(lambda request, context: word)

    with serving(saying(b"a")) as first, serving(saying(b"b")) as second:
        assert (first.unary_unary(), second.unary_unary()) == (b"a", b"b")


PROGRAM = """
import signal, sys
from concurrent.futures import ThreadPoolExecutor
import grpc
sys.path.insert(0, {harness!r})
from grpc_servers import implementation

server = implementation({name!r}).server(ThreadPoolExecutor(2))
server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(
    "test.Service", {{"Method": grpc.unary_unary_rpc_method_handler(lambda request, context: request)}}),))
port = server.add_insecure_port("127.0.0.1:0")
signal.signal(signal.SIGTERM, lambda *_: server.stop(5))
server.start()
print(port, flush=True)
{rest}
"""


def run(implementation_under_test, rest):
    harness = Path(sys.modules["grpc_servers"].__file__).parent
    program = PROGRAM.format(harness=str(harness), name=implementation_under_test.name, rest=rest)
    return subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize(
    ("rest", "code"), [("", 0), ("raise ValueError('after the start')", 1), ("del server", 0)], ids=["end", "raise", "forget"]
)
def test_a_program_that_ends_without_stopping(implementation_under_test, rest, code):
    with run(implementation_under_test, rest) as process:
        _, errors = process.communicate(timeout=30)
    assert process.returncode == code, errors


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, -signal.SIGINT), (signal.SIGTERM, 0)])
def test_signals_reach_a_program_that_waits(implementation_under_test, number, code):
    with run(implementation_under_test, "server.wait_for_termination()") as process:
        port = int(process.stdout.readline())
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            assert Calls(channel).unary_unary(b"x") == b"x"
        process.send_signal(number)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == code, errors
