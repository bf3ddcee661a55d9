"""A process that holds many connections, told through a pipe what to do with them."""

import contextlib
import multiprocessing
import select
import socket
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from stress import raw
from stress.failures import Failed, check
from stress.stall import Watch, watching

Address = tuple[str, int]
LINGER_NOT = struct.pack("ii", 1, 0)
# So many of them are HTTP/2.
EVERY = 10
PATIENCE = 120.0
# Linux's IP_BIND_ADDRESS_NO_PORT, which Python has no name for before 3.12: the port is chosen at connect.
NO_PORT = 24


@dataclass
class Crowd:
    """The other process, from here."""

    pipe: Connection

    def tell(self, command: str, number: int = 0) -> int:
        """Gives a command and waits for its result."""
        self.pipe.send((command, number))
        check(self.pipe.poll(PATIENCE), f"the crowd does not come to an end with {command!r}")
        result = self.pipe.recv()
        if isinstance(result, str):
            raise Failed(f"{command}: {result}")
        return result


@contextlib.contextmanager
def gathered(pid: int, address: Address) -> Iterator[Crowd]:
    """A crowd for the time of a block."""
    context: Any = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=main, args=(there, pid, address), daemon=True)
    process.start()
    there.close()
    try:
        yield Crowd(here)
    finally:
        process.kill()
        process.join()
        here.close()


def main(pipe: Connection, pid: int, address: Address) -> None:
    """The process."""
    members: list[raw.Http1 | raw.Http2] = []
    with watching(pid, lambda stall: pipe.send(str(stall))) as watch, contextlib.suppress(EOFError):
        while True:
            command, number = pipe.recv()
            try:
                pipe.send(COMMANDS[command](members, number, watch, address))
            except (Failed, OSError) as error:
                pipe.send(f"{type(error).__name__}: {error}")


def _come(members: list[raw.Http1 | raw.Http2], number: int, watch: Watch, address: Address) -> int:
    """So many new connections, each of which has been served once."""
    for n in range(number):
        kind = raw.Http2 if n % EVERY == 0 else raw.Http1
        member = kind(watch, address)
        member.line.doing = f"member {len(members)} of the crowd"
        member.line.sendall(member.request(n))
        member.answer(n)
        members.append(member)
    return len(members)


def _again(members: list[raw.Http1 | raw.Http2], number: int, watch: Watch, address: Address) -> int:
    """Each is served once more."""
    for n, member in enumerate(members):
        member.line.sendall(member.request(n))
        member.answer(n)
    return len(members)


def _leave(members: list[raw.Http1 | raw.Http2], number: int, watch: Watch, address: Address) -> int:
    """All go, every other one without an orderly end."""
    for n, member in enumerate(members):
        if n % 2:
            member.line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOT)
        member.line.close()
    left = len(members)
    members.clear()
    return left


def _see_end(members: list[raw.Http1 | raw.Http2], number: int, watch: Watch, address: Address) -> int:
    """How many connections the server ends."""
    poller = select.epoll()
    open_ = {member.line.fileno(): member.line for member in members}
    for descriptor in open_:
        poller.register(descriptor, select.EPOLLIN)
    ended = 0
    deadline = time.monotonic() + PATIENCE / 2
    while open_ and time.monotonic() < deadline:
        for descriptor, _ in poller.poll(1):
            try:
                more = socket.socket.recv(open_[descriptor], 65536)
            except ConnectionResetError:
                more = b""
            if not more:
                poller.unregister(descriptor)
                open_.pop(descriptor).close()
                ended += 1
    members.clear()
    return ended


COMMANDS = {"come": _come, "again": _again, "leave": _leave, "see the end": _see_end}


def from_elsewhere(number: int) -> socket.socket:
    """A socket of another loopback address than the last one's: one address has no ports for a storm."""
    connection = socket.socket()
    connection.setsockopt(socket.IPPROTO_IP, NO_PORT, 1)
    connection.bind((f"127.0.{1 + number // 250 % 250}.{1 + number % 250}", 0))
    connection.settimeout(PATIENCE)
    return connection
