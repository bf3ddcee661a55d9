"""The stall detector of the stress runs sees a stall, and takes nothing else for one."""

import queue
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# A server that accepts, says so, and then never answers: asleep, or at work.
SERVER = """
import socket, sys, time
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
connection, _ = listener.accept()
end = time.monotonic() + 60
while time.monotonic() < end:
    if sys.argv[1] == "sleeps":
        time.sleep(60)
"""


@pytest.fixture
def stall(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    from stress import stall

    return stall


@pytest.fixture(params=["sleeps", "works"])
def server(request):
    process = subprocess.Popen([sys.executable, "-c", SERVER, request.param], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield request.param, process.pid, int(process.stdout.readline())
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_a_connection_that_waits_for_an_idle_server_is_told_and_no_other(stall, server):
    what, pid, port = server
    told = queue.Queue()
    with stall.watching(pid, told.put) as watch:
        line = stall.Line(watch)
        line.connect(("127.0.0.1", port))
        line.doing = "waiting in vain"
        waiting = threading.Thread(target=line.recv, args=(1,))
        waiting.start()
        try:
            if what == "sleeps":
                found = told.get(timeout=20)
                assert found.seconds >= stall.LONGEST_WAIT
                assert "waiting in vain: waits to receive; 0 bytes sent and 0 received" in found.place
                assert "server's end: 0 bytes unread" in found.place
            else:
                with pytest.raises(queue.Empty):
                    told.get(timeout=3)
        finally:
            line.shutdown(socket.SHUT_RDWR)
            waiting.join()
            line.close()
