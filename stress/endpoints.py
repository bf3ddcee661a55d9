"""Where a server is reached: TCP or a UNIX socket, in the clear or by TLS."""

import contextlib
import socket
import ssl
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import trustme

from stress.stall import Line, Watch

T = TypeVar("T")


@dataclass(frozen=True)
class Endpoint:
    """One address of a server; a text is the path of a UNIX socket."""

    address: tuple[str, int] | str
    # The file of the authority that has signed the server's certificate, where it speaks TLS.
    authority: str | None = None

    def line(self, watch: Watch, protocol: str) -> Line:
        """A line that is not connected yet; ``protocol`` is what TLS will ask for: ``http/1.1``, ``h2``."""
        family = socket.AF_UNIX if isinstance(self.address, str) else socket.AF_INET
        if self.authority is None:
            return Line(watch, family)
        return TlsLine(watch, family, _context(self.authority, protocol))

    def __str__(self) -> str:
        return "UNIX" if isinstance(self.address, str) else "TLS" if self.authority else "TCP"


def endpoints(addresses: Sequence[str], authority: str | None) -> tuple[Endpoint, ...]:
    """Those of a server that says it listens there, ``authority`` being whose it is where that is https."""
    found: list[Endpoint] = []
    for address in addresses:
        if address.startswith("unix:"):
            found.append(Endpoint(address.removeprefix("unix:")))
        else:
            url = urlsplit(address)
            found.append(Endpoint((url.hostname or "", url.port or 0), authority if url.scheme == "https" else None))
    return tuple(found)


@cache
def _context(authority: str, protocol: str) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=authority)
    context.set_alpn_protocols([protocol])
    return context


class TlsLine(Line):
    """A line that speaks TLS: it waits, counts and is cut as the bytes on the wire are.

    ``shutdown`` is the socket's: an end without a close_notify, after which Python's ssl could not read on.
    """

    def __init__(self, watch: Watch, family: int, context: ssl.SSLContext) -> None:
        super().__init__(watch, family)
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._in, self._out, server_hostname="localhost")

    def connect(self, address: tuple[str, int] | str) -> None:
        """Connects and shakes hands."""
        super().connect(address)
        self._do(self._tls.do_handshake)

    def recv(self, size: int, flags: int = 0) -> bytes:
        """Receives what is decrypted; nothing where the server has said that it is over."""
        return self._do(lambda: self._tls.read(size))

    def recv_into(self, buffer: memoryview, nbytes: int = 0, flags: int = 0) -> int:
        """Receives what is decrypted."""
        data = self.recv(nbytes or len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def sendall(self, data: bytes, flags: int = 0) -> None:
        """Encrypts and sends."""
        if data:
            self._do(lambda: self._tls.write(data))

    def _do(self, step: Callable[[], T]) -> T:
        while True:
            try:
                result = step()
            except ssl.SSLWantReadError:
                self._flush()
                # No close_notify: what came may not be all.
                if not (more := super().recv(65536)):
                    raise ConnectionResetError("the connection ended within TLS") from None
                self._in.write(more)
                continue
            self._flush()
            return result

    def _flush(self) -> None:
        if self._out.pending:
            super().sendall(self._out.read())


@contextlib.contextmanager
def certificate() -> Iterator[tuple[str, str]]:
    """The files of an authority and of a server's certificate with its key, for ``--tls-cert``."""
    with tempfile.TemporaryDirectory(prefix="narthex-stress-tls-") as folder:
        authority, server = Path(folder) / "authority.pem", Path(folder) / "server.pem"
        made = trustme.CA()
        made.cert_pem.write_to_path(authority)
        made.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(server)
        yield str(authority), str(server)
