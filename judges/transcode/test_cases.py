"""The cases of ``conformance/``, against our server, and against a real Envoy for what they say of it.

Cases of ``impl:envoy`` are held against our server with ``--transcode-compat envoy``. What differs is in
``known-differences.json`` with its reason; an entry that no case needs fails.
"""

import tempfile
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import pytest
from grpc_tools import protoc
from protos import compile_protos
from transcode_cases import FOLDER, Case, Profile, cases, fault, is_ascii_path, known_differences, profiles
from transcoders import Transcoder, envoy, narthex

PROFILES = profiles()
CASES = [case for case in cases() if not case.is_raw and is_ascii_path(case)]
# Two services with one path are a start-up error, and Envoy does not take response_body of anything but HttpBody.
REFUSED = {"narthex": ("ps27", "ps28"), "envoy": ("response_body",)}
# Envoy does not survive these (protocolbuffers/protobuf#26885).
FATAL = ("rsp-0062", "rsp-0063", "rsp-0064", "rsp-0081", "rsp-0082")


@pytest.fixture(scope="session")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is generated from the schemas of the cases, and their descriptors."""
    output = tmp_path_factory.mktemp("generated")
    compile_protos(FOLDER / "proto", output)
    from google.api import annotations_pb2

    includes = [FOLDER / "proto", files("grpc_tools") / "_proto", Path(annotations_pb2.__file__).parent.parent.parent]
    names = sorted(path.name for path in (FOLDER / "proto").glob("*.proto"))
    arguments = [f"-I{include}" for include in includes]
    assert protoc.main(["protoc", *arguments, "--include_imports", f"--descriptor_set_out={output / 'all.binpb'}", *names]) == 0
    return output


@pytest.fixture(scope="session", autouse=True)
def messages(generated: Path) -> None:
    """The messages of the cases, in this process's pool."""
    import sys

    sys.path.insert(0, str(generated))
    try:
        __import__("vectors_pb2")
        __import__("path_sets_pb2")
    finally:
        sys.path.remove(str(generated))


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder whose name is short, as the path of a socket has to be."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def _of(profile: str, *, envoys: bool | None = None) -> list[Case]:
    return [case for case in CASES if case.profile == profile and envoys in (None, case.is_envoys)]


def _names(transcoder: str) -> list[str]:
    return [name for name in PROFILES if _of(name) and name not in REFUSED[transcoder]]


def _hold(transcoder: str, running: Transcoder, judged: list[Case]) -> None:
    known = known_differences(transcoder)
    problems: list[str] = []
    for case in judged:
        why = fault(case, running.send(case))
        differs = case.id in known or (transcoder == "envoy" and not case.envoy_agrees)
        if why is not None and not differs:
            problems.append(f"{case.id}: {why}")
        elif why is None and differs:
            problems.append(f"{case.id} is as it says, but is listed as one that is not")
    assert not problems, "\n".join(problems)


COMPATIBLE = [
    (name, compat) for name in _names("narthex") for compat in ("specification", "envoy") if _of(name, envoys=compat == "envoy")
]


@pytest.mark.parametrize(("name", "compat"), COMPATIBLE)
def test_narthex(name: str, compat: str, generated: Path, folder: Path) -> None:
    judged = _of(name, envoys=compat == "envoy")
    with narthex(PROFILES[name], compat=compat, generated=generated, folder=folder) as running:
        _hold("narthex", running, judged)


@pytest.mark.parametrize("name", _names("envoy"))
def test_envoy(name: str, generated: Path, folder: Path) -> None:
    profile: Profile = PROFILES[name]
    with envoy(profile, generated=generated, folder=folder) as running:
        _hold("envoy", running, [case for case in _of(name) if case.id not in FATAL])


@pytest.mark.parametrize("transcoder", ["narthex", "envoy"])
def test_known_differences_are_of_cases(transcoder: str) -> None:
    assert known_differences(transcoder).keys() <= {case.id for case in CASES}
