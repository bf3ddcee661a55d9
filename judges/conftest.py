"""What the judges share: which library they judge, generated protos, and the environment of a server under test."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import modules
import pytest
from protos import compile_protos

HARNESS = Path(__file__).parent / "harness"


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
    return output


@pytest.fixture(scope="session")
def interop_protos(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of what is generated from gRPC's interop protos; it is on the import path of the tests as well."""
    output = tmp_path_factory.mktemp("interop")
    modules.compile_interop_protos(output)
    sys.path.insert(0, str(output))
    yield output
    sys.path.remove(str(output))


def environment(protos: Path) -> dict[str, str]:
    """The environment of a server under test: these protos and the harness on its import path."""
    path = os.pathsep.join(filter(None, [str(protos), str(HARNESS), os.environ.get("PYTHONPATH", "")]))
    return {**os.environ, "PYTHONPATH": path, "NO_COLOR": "1"}


@pytest.fixture(scope="session")
def server_environment() -> object:
    """``environment``, for tests that start servers."""
    return environment
