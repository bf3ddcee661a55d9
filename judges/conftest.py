"""What the judges share: which library they judge, generated protos, and servers under test."""

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import modules
import pytest
import servers
from protos import compile_protos
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


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the library to judge; grpc's own tells a fault of Narthex from one of a judge's servicer."""
    parser.addoption("--library", choices=("narthex.grpc", "grpc"), default="narthex.grpc", help="whose server is judged")


@pytest.fixture(scope="session")
def library(request: pytest.FixtureRequest) -> str:
    """The module of the servers under test."""
    return request.config.getoption("library")


@pytest.fixture(scope="session")
def conformance_protos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of what is generated from the conformance suite's protos."""
    output = tmp_path_factory.mktemp("conformance")
    compile_protos(modules.sources("connectrpc.com/conformance") / "proto", output)
    # Connect's client for Python is a package of that name: it would win over a folder that is none.
    (output / "connectrpc" / "__init__.py").touch()
    return output


@pytest.fixture(scope="session")
def interop_protos(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of what is generated from gRPC's interop protos; it is on the import path of the tests as well."""
    output = tmp_path_factory.mktemp("interop")
    modules.compile_interop_protos(output)
    sys.path.insert(0, str(output))
    yield output
    sys.path.remove(str(output))


@pytest.fixture(scope="session", params=servers.STYLES)
def style(request: pytest.FixtureRequest) -> str:
    """How a servicer is written."""
    return request.param


@pytest.fixture(scope="session", params=["plain", "tls"])
def server(request: pytest.FixtureRequest, style: str, library: str, interop_protos: Path) -> Iterator[Server]:
    """A server with gRPC's interop test service, in each style, plain and with TLS."""
    files = modules.sources("google.golang.org/grpc") / "testdata"
    tls = request.param == "tls"
    arguments = [files / "server1.pem", files / "server1.key"] if tls else []
    script = HERE / "interop" / "server.py"
    with started(script, style, library, *map(str, arguments), env=environment(interop_protos)) as port:
        yield Server(port, files / "ca.pem" if tls else None)


@pytest.fixture(scope="session")
def conformance_environment(conformance_protos: Path) -> dict[str, str]:
    """The environment of the conformance suite's servers."""
    return environment(conformance_protos)


def environment(protos: Path) -> dict[str, str]:
    """The environment of a server under test: these protos and the harness on its import path."""
    path = os.pathsep.join(filter(None, [str(protos), str(HERE / "harness"), os.environ.get("PYTHONPATH", "")]))
    return {**os.environ, "PYTHONPATH": path, "NO_COLOR": "1"}
