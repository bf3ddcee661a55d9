"""``narthex.grpc.server`` in the place of ``grpc.server``: a program without an event loop."""

import gc
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import grpc
import narthex.grpc
import pytest
from grpc_objects import PATIENCE, call, echo_handlers
from narthex.exceptions import Problem, StartupError
from narthex.grpc.assembly import Assembly


def echo(request, context):
    return request


@pytest.fixture
def pool():
    with ThreadPoolExecutor(4) as pool:
        yield pool


def serving(pool, **handlers):
    server = narthex.grpc.server(pool, handlers=echo_handlers(Echo=echo, **handlers))
    target = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    return server, target


def test_it_serves_and_stops(pool):
    server, target = serving(pool)
    assert isinstance(server, grpc.Server)
    assert call(target) == b"hello"
    assert server.wait_for_termination(0.01) is True
    assert server.stop(None).is_set()
    assert server.wait_for_termination(PATIENCE) is False
    assert server.stop(5).wait(PATIENCE)
    with pytest.raises(grpc.RpcError):
        call(target, timeout=1)


def test_a_grace_is_waited_for_elsewhere(pool):
    begun, finish = threading.Event(), threading.Event()

    def slow(request, context):
        begun.set()
        assert finish.wait(PATIENCE)
        return b"done"

    server, target = serving(pool, Slow=slow)
    calling = pool.submit(call, target, "Slow")
    assert begun.wait(PATIENCE)
    stopped = server.stop(PATIENCE)
    assert not stopped.is_set()
    finish.set()
    assert calling.result(PATIENCE) == b"done"
    assert stopped.wait(PATIENCE)


def test_the_smallest_grace_counts(pool):
    begun, finish = threading.Event(), threading.Event()

    def slow(request, context):
        begun.set()
        finish.wait(PATIENCE)
        return b"done"

    server, target = serving(pool, Slow=slow)
    calling = pool.submit(call, target, "Slow")
    assert begun.wait(PATIENCE)
    before = time.monotonic()
    server.stop(PATIENCE)
    stopped = server.stop(0.05)
    with pytest.raises(grpc.RpcError):
        calling.result(PATIENCE)
    finish.set()
    assert stopped.wait(PATIENCE)
    assert time.monotonic() - before < PATIENCE


def test_it_starts_once(pool):
    server, _ = serving(pool)
    with pytest.raises(ValueError, match="already-started"):
        server.start()
    server.stop(None)
    with pytest.raises(ValueError, match="already-started"):
        server.start()


def test_a_stop_before_the_start_gives_the_port_back(pool):
    server = narthex.grpc.server(pool, options=[("grpc.so_reuseport", 0)])
    port = server.add_insecure_port("127.0.0.1:0")
    assert server.stop(None).is_set()
    other = narthex.grpc.server(pool, options=[("grpc.so_reuseport", 0)])
    assert other.add_insecure_port(f"127.0.0.1:{port}") == port


def test_a_start_that_fails_tells_why_and_leaves_nothing(pool, monkeypatch):
    def build(assembly, loop):
        raise StartupError([Problem("here", "as arranged")])

    monkeypatch.setattr(Assembly, "build", build)
    server = narthex.grpc.server(pool)
    server.add_insecure_port("127.0.0.1:0")
    with pytest.raises(StartupError, match="here: as arranged"):
        server.start()
    assert server.wait_for_termination(PATIENCE) is False
    assert server.stop(None).is_set()


def test_xds_is_refused(pool):
    with pytest.raises(NotImplementedError, match="leave xds out"):
        narthex.grpc.server(pool, xds=True)


def test_a_server_that_is_forgotten_stops(pool):
    server, target = serving(pool)
    assert call(target) == b"hello"
    del server
    gc.collect()
    with pytest.raises(grpc.RpcError):
        call(target, timeout=1)


def test_coroutine_functions_run_on_its_loop(pool):
    async def threads(request, context):
        return threading.current_thread().name.encode()

    server, target = serving(pool, Thread=threads)
    assert call(target, "Thread") == b"narthex-server"
    server.stop(None)


def test_a_program_may_end_without_stopping_its_server(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(
        textwrap.dedent("""
        from concurrent.futures import ThreadPoolExecutor
        import grpc
        from narthex import grpc as ours

        echo = grpc.unary_unary_rpc_method_handler(lambda request, context: request)
        server = ours.server(ThreadPoolExecutor(2))
        server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("test.Echo", {"Echo": echo})])
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            print(channel.unary_unary("/test.Echo/Echo")(b"hello", timeout=20), flush=True)
        """)
    )
    ran = subprocess.run([sys.executable, program], capture_output=True, timeout=PATIENCE * 2, check=False)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, b"b'hello'\n", b"")
