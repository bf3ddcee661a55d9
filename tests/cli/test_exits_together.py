"""Calls that try to end the process while another call's attempt is being dealt with."""

import threading

import pytest
from wires import Http1, Http2

AT_ONCE = 40


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
@pytest.mark.parametrize("path", ["/exit", "/exit/later", "/interrupt/later"])
def test_each_is_a_500_and_no_more(serve, loop, path):
    with serve("exits:app", "--loop", loop) as server:
        connections = [Http1((server.host, server.port)) for _ in range(AT_ONCE)]
        for _ in range(3):
            for connection in connections:
                connection.request(path)
            assert [connection.response().status for connection in connections] == [500] * AT_ONCE
        for connection in connections:
            connection.request("/")
            assert connection.response().body == b"still here"
            connection.close()
        assert server.stop() == 0


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_new_connections_are_served_meanwhile(serve, loop):
    with serve("exits:app", "--loop", loop) as server:
        statuses = []

        def call(version):
            for path in ("/exit", "/exit/later") * 15:
                with version((server.host, server.port)) as connection:
                    connection.request(path)
                    statuses.append(connection.response().status)

        threads = [threading.Thread(target=call, args=(version,)) for version in (Http1, Http2) * 3]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert statuses == [500] * (30 * len(threads))
        assert server.running
        assert server.stop() == 0
