"""What all Python tests share: a server process on a free port, generated protos, the ``narthex`` command."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from protos import compile_protos
from served import Served

TESTS = Path(__file__).parent
APPS = TESTS / "apps"

Serve = Callable[..., Served]
Narthex = Callable[..., "subprocess.CompletedProcess[str]"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """The option of ``tests/grpc_aio``; here, since options of a folder's own are known only where that folder is named."""
    parser.addoption(
        "--grpc-server",
        choices=["narthex", "grpc"],
        default="narthex",
        help="whose server objects tests/grpc_aio is about: ours, or grpcio's as the oracle",
    )


@pytest.fixture(scope="session")
def apps() -> Path:
    """The folder of the kitchen-sink applications."""
    return APPS


@pytest.fixture(scope="session")
def protos(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of what is generated from ``tests/proto``; it is on the import path of the tests and of their servers."""
    output = tmp_path_factory.mktemp("protos")
    compile_protos(TESTS / "proto", output)
    sys.path.insert(0, str(output))
    yield output
    sys.path.remove(str(output))


@pytest.fixture(scope="session")
def serve(protos: Path, tmp_path_factory: pytest.TempPathFactory) -> Serve:
    """Starts ``narthex serve ARGUMENTS`` and returns it as a ``Served`` once it answers requests; use it in ``with``.

    ``--app-dir tests/apps`` and ``--bind 127.0.0.1:0`` are added unless the arguments have their own (``--uds`` counts as a
    place to bind). ``bind=False`` leaves the
    command's own default. ``env`` adds to the environment, ``cwd`` is an empty folder unless it is given. Leaving the ``with``
    stops the server and asserts that it exits with 0; in the test of an exit code, call ``stop()`` or ``wait()`` before.

    A session's fixture, so that a module can keep one server for all its tests::

        @pytest.fixture(scope="module")
        def server(serve):
            with serve("echo:app") as server:
                yield server
    """
    empty = tmp_path_factory.mktemp("cwd")

    def start(*arguments: str, env: Mapping[str, str] | None = None, cwd: Path = empty, bind: bool = True) -> Served:
        return Served(with_defaults(arguments, bind=bind), env=environment(protos, env), cwd=cwd)

    return start


@pytest.fixture(scope="session")
def narthex(protos: Path, tmp_path_factory: pytest.TempPathFactory) -> Narthex:
    """Runs ``narthex ARGUMENTS`` to its end and returns the ``subprocess.CompletedProcess``; nothing is added to them."""
    empty = tmp_path_factory.mktemp("cwd")

    def run(
        *arguments: str,
        env: Mapping[str, str] | None = None,
        cwd: Path = empty,
        text: bool = True,
        pass_fds: Sequence[int] = (),
    ) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "narthex", *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=30,
            text=text,
            env=environment(protos, env),
            cwd=cwd,
            pass_fds=pass_fds,
        )

    return run


def with_defaults(arguments: Sequence[str], *, bind: bool) -> list[str]:
    """The arguments with a folder of applications and a free port, unless they say otherwise."""
    given = list(arguments)
    if "--app-dir" not in given:
        given += ["--app-dir", str(APPS)]
    if bind and not {"--bind", "--uds"}.intersection(given):
        given += ["--bind", "127.0.0.1:0"]
    return given


def environment(protos: Path, extra: Mapping[str, str] | None) -> dict[str, str]:
    """The environment of a process under test: the generated protos, no colours."""
    path = os.pathsep.join(filter(None, [str(protos), os.environ.get("PYTHONPATH", "")]))
    return {**os.environ, "PYTHONPATH": path, "NO_COLOR": "1", **(extra or {})}
