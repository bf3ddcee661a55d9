"""A client that sends a message on each of its streams when the answer to the last one has come, until the time is over."""

import gc
import json
import os
import select
import sys
import time
from contextlib import ExitStack
from enum import Enum

from bench.streams import Connection, ProtocolError, check_end, envelope

PATH = "/arithmetic.v1.Calculator/AddEach"
# The requests take turns, so that no answer can be a canned one; all encodings are equally long.
TURNS = 100
REQUESTS = [envelope(bytes((0x08, turn, 0x10, 1))) for turn in range(TURNS)]
ANSWERS = [envelope(bytes((0x08, turn + 1))) for turn in range(TURNS)]


class Then(Enum):
    """What a stream does that was answered."""

    NEXT = "send the next message"
    STAY = "wait, and nothing else"
    END = "send no more"


class Table:
    """The streams of one connection, and which turn each of them is in."""

    def __init__(self, connection: Connection, streams: int) -> None:
        self.connection = connection
        self.turns = {connection.open(): number % TURNS for number in range(streams)}
        for stream, turn in self.turns.items():
            connection.message(stream, REQUESTS[turn])
        connection.flush()
        self._partly: dict[int, bytes] = {}

    def play(self, then: Then) -> int:
        """Takes the answers that have come, and goes on as it is told; returns how many there were."""
        connection, turns, answers = self.connection, self.turns, 0
        for stream, piece in connection.receive():
            if isinstance(piece, dict):
                if check_end(piece):
                    del turns[stream]
                continue
            turn = turns[stream]
            if piece != ANSWERS[turn]:
                piece = self._partly.pop(stream, b"") + piece
                if piece != ANSWERS[turn]:
                    if not ANSWERS[turn].startswith(piece):
                        raise ProtocolError(f"a wrong answer: {piece!r}, not {ANSWERS[turn]!r}")
                    self._partly[stream] = piece
                    continue
            answers += 1
            if then is Then.NEXT:
                turns[stream] = turn = (turn + 1) % TURNS
                connection.message(stream, REQUESTS[turn])
            elif then is Then.END:
                connection.end(stream)
        connection.flush()
        return answers


def main(port: int, seconds: int, connections: int, streams: int) -> dict[str, float]:
    """Plays; returns how many answers came, and in what time."""
    with ExitStack() as stack:
        made = [stack.enter_context(Connection(port, PATH)) for _ in range(connections)]
        tables = {connection.socket.fileno(): Table(connection, streams) for connection in made}
        poller = select.epoll()
        for descriptor in tables:
            poller.register(descriptor, select.EPOLLIN)
        gc.disable()
        answers, began = 0, time.perf_counter()
        end = began + seconds
        while (now := time.perf_counter()) < end:
            for descriptor, _ in poller.poll(1):
                answers += tables[descriptor].play(Then.NEXT)
        took = now - began
        deadline = now + 10
        while any(table.turns for table in tables.values()):
            if time.perf_counter() > deadline:
                raise ProtocolError("streams did not end")
            for descriptor, _ in poller.poll(1):
                tables[descriptor].play(Then.END)
    return {"requests": answers, "seconds": took}


if __name__ == "__main__":
    os.sched_setaffinity(0, set(map(int, sys.argv[1].split(","))))
    print(json.dumps(main(*map(int, sys.argv[2:6]))))
