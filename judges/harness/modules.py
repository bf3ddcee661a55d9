"""What Go's module proxy brings: the judges' programs, built by ``make``, and the files beside their sources."""

import shutil
import subprocess
from pathlib import Path

import pytest
from google.protobuf import descriptor_pb2
from grpc_tools import protoc

JUDGES = Path(__file__).parent.parent
PROGRAMS = JUDGES.parent / ".tools" / "judges"


def program(name: str) -> Path:
    """One of the programs that ``judges/go`` makes; without it the test is skipped."""
    path = PROGRAMS / name
    if not path.exists():
        pytest.skip(f"there is no Go to build {path.name} with")
    return path


def sources(module: str) -> Path:
    """The folder of a module's sources, in the version that ``judges/go/go.mod`` names."""
    if shutil.which("go") is None:
        pytest.skip(f"there is no Go to get {module} with")
    command = ["go", "list", "-m", "-f", "{{.Dir}}", module]
    listed = subprocess.run(command, cwd=JUDGES / "go", check=True, stdout=subprocess.PIPE, text=True)
    return Path(listed.stdout.strip())


def compile_interop_protos(output: Path) -> None:
    """Generates gRPC's interop test service as the package ``interop_protos``.

    Its own folder, ``grpc/testing``, is no place for a Python module: it would stand before grpc itself.
    """
    listed = subprocess.run([program("descriptors")], check=True, stdout=subprocess.PIPE)
    descriptors = descriptor_pb2.FileDescriptorSet.FromString(listed.stdout)
    for file in descriptors.file:
        file.name = _moved(file.name)
        file.dependency[:] = [_moved(name) for name in file.dependency]
    path = output / "interop.binpb"
    path.write_bytes(descriptors.SerializeToString())
    names = [file.name for file in descriptors.file if file.name.startswith("interop_protos/")]
    arguments = [f"--descriptor_set_in={path}", f"--python_out={output}", f"--grpc_python_out={output}"]
    if protoc.main(["protoc", *arguments, *names]) != 0:
        raise AssertionError("the protos of gRPC's interop tests do not compile")


def _moved(name: str) -> str:
    return name.replace("grpc/testing/", "interop_protos/")
