"""What must not end the server, or keep it from ending."""

import os
import signal
import subprocess
import sys
import time

import grpc
import httpx
import pytest


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_an_exit_in_a_request_is_a_500_and_no_more(serve, loop):
    with serve("exits:app", "--loop", loop) as server, server.client() as client:
        for path in ("/exit", "/exit/later", "/interrupt", "/interrupt/later"):
            assert client.get(path).status_code == 500, path
            assert client.get("/").text == "still here"
        assert "SystemExit: 7" in server.stderr()
        assert server.stop() == 0


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
@pytest.mark.parametrize("request_", [b"", b"later"])
def test_an_exit_in_a_call_is_its_status_and_no_more(serve, loop, request_):
    with serve("--grpc", "exits:register", "--loop", loop) as server, grpc.insecure_channel(server.target) as channel:
        with pytest.raises(grpc.RpcError) as raised:
            channel.unary_unary("/test.Exits/Exit")(request_, timeout=10)
        assert raised.value.code() is grpc.StatusCode.UNKNOWN
        assert channel.unary_unary("/test.Exits/Echo")(b"here", timeout=10) == b"here"
        assert server.stop() == 0


def test_an_exit_in_the_lifespans_start_is_a_failed_start(narthex, apps):
    ended = narthex("serve", "--app-dir", str(apps), "exits:exit_in_startup", "--bind", "127.0.0.1:0")
    assert ended.returncode == 3
    assert "SystemExit: 9" in ended.stderr


def test_a_lifespan_that_does_not_end_is_left_after_the_timeout(serve):
    with serve("exits:endless_shutdown", "--graceful-timeout", "1") as server:
        started = time.monotonic()
        assert server.stop(timeout=15) == 0
        assert time.monotonic() - started < 10
        assert "lifespan shutdown was not done after 1s" in server.stderr()


def test_a_stderr_that_nobody_reads_any_more(apps, protos):
    ready, ready_writing = os.pipe()
    arguments = ["serve", "--app-dir", str(apps), "plain:app", "--bind", "127.0.0.1:0", "--ready-fd", str(ready_writing)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(protos), os.environ.get("PYTHONPATH", "")])}
    command = [sys.executable, "-m", "narthex", *arguments]
    with subprocess.Popen(command, stderr=subprocess.PIPE, env=environment, pass_fds=[ready_writing]) as process:
        os.close(ready_writing)
        with os.fdopen(ready) as stream:
            url = stream.read().strip()
        process.stderr.close()
        with httpx.Client(base_url=url) as client:
            assert [client.get("/page").status_code for _ in range(3)] == [200] * 3
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 0
