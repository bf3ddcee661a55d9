"""What must not end the server, or keep it from ending."""

import os
import signal
import subprocess
import sys
import time

import httpx


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
