"""A client that opens many streams, has each answered once, says so, and keeps them until its standard input ends.

The connections are made one after the other: of a thousand calls that come at once grpcio refuses some.
"""

import json
import os
import sys
from contextlib import ExitStack

from bench.ping_pong import PATH, Table, Then
from bench.streams import Connection, ProtocolError


def main(port: int, connections: int, streams: int) -> None:
    """Opens them, prints how many were answered, and holds them."""
    answered = 0
    with ExitStack() as stack:
        for _ in range(connections):
            connection = stack.enter_context(Connection(port, PATH))
            answered += _open(connection, streams)
        print(json.dumps({"streams": answered}), flush=True)
        sys.stdin.read()


def _open(connection: Connection, streams: int) -> int:
    table = Table(connection, streams)
    answered = 0
    try:
        while answered < streams:
            answered += table.play(Then.STAY)
    except TimeoutError as error:
        limit = "any number" if connection.most_streams is None else connection.most_streams
        raise ProtocolError(f"{answered} of {streams} streams were answered; the server allows {limit}") from error
    return answered


if __name__ == "__main__":
    os.sched_setaffinity(0, set(map(int, sys.argv[1].split(","))))
    main(*map(int, sys.argv[2:5]))
