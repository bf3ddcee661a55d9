"""The interop server under test, in each style, plain and with TLS."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import modules
import pytest
import servers
from started import started

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Server:
    """Where it is, and for TLS the authority that its certificate is from, and a name that it is for."""

    port: int
    authority: Path | None
    name: str = "foo.test.google.fr"

    @property
    def target(self) -> str:
        """For channels."""
        return f"127.0.0.1:{self.port}"

    def channel(self, library: Any) -> Any:
        """A channel of ``grpc`` or of ``grpc.aio``."""
        if self.authority is None:
            return library.insecure_channel(self.target)
        credentials = grpc.ssl_channel_credentials(self.authority.read_bytes())
        return library.secure_channel(self.target, credentials, options=[("grpc.ssl_target_name_override", self.name)])


@pytest.fixture(scope="session", params=servers.STYLES)
def style(request: pytest.FixtureRequest) -> str:
    """How the servicer is written."""
    return request.param


@pytest.fixture(scope="session", params=["plain", "tls"])
def server(
    request: pytest.FixtureRequest, style: str, library: str, interop_protos: Path, server_environment
) -> Iterator[Server]:
    """The server under test."""
    files = modules.sources("google.golang.org/grpc") / "testdata"
    tls = request.param == "tls"
    arguments = [files / "server1.pem", files / "server1.key"] if tls else []
    env = server_environment(interop_protos)
    with started(HERE / "server.py", style, library, *map(str, arguments), env=env) as port:
        yield Server(port, files / "ca.pem" if tls else None)
