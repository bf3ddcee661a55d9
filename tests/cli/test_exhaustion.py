"""More clients than descriptors."""

import resource
from pathlib import Path

from wires import Http1

MESSAGE = "accepting connections failed"


def test_the_log_says_so_once_while_clients_come_and_go(serve):
    with serve("exits:app") as server:
        connections = [Http1((server.host, server.port)) for _ in range(10)]
        for connection in connections:
            connection.request()
            assert connection.response().status == 200
        # As many as there are: the next connection is one too many.
        _, hard = resource.prlimit(server.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (10, hard))
        waiting = Http1((server.host, server.port))
        waiting.request()
        line = server.wait_for(MESSAGE)
        assert f"{server.host}:{server.port}: " in line
        # Each that leaves lets one in, and leaves one more outside.
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (descriptors(server), hard))
        for _ in range(5):
            connections.pop(0).close()
            assert waiting.response().status == 200
            connections.append(waiting)
            waiting = Http1((server.host, server.port))
            waiting.request()
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (hard, hard))
        assert waiting.response().status == 200
        for connection in [*connections, waiting]:
            connection.close()
        assert server.stderr().count(MESSAGE) == 1


def descriptors(server):
    """One above the highest descriptor in use: what RLIMIT_NOFILE is compared with."""
    return 1 + max(int(entry.name) for entry in Path(f"/proc/{server.pid}/fd").iterdir())
