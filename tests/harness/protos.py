"""Compiles the tests' protos; nothing generated is committed."""

from importlib.resources import files
from pathlib import Path

from grpc_tools import protoc


def compile_protos(source: Path, output: Path) -> None:
    """Generates the messages and services of every ``.proto`` below ``source``."""
    names = sorted(str(path.relative_to(source)) for path in source.rglob("*.proto"))
    well_known = files("grpc_tools") / "_proto"
    annotations = _annotations()
    arguments = [f"-I{source}", f"-I{well_known}", f"-I{annotations}", f"--python_out={output}", f"--grpc_python_out={output}"]
    if protoc.main(["protoc", *arguments, *names]) != 0:
        raise AssertionError(f"the protos below {source} do not compile")


def _annotations() -> Path:
    """The folder that has google/api/annotations.proto, which googleapis-common-protos brings."""
    from google.api import annotations_pb2

    return Path(annotations_pb2.__file__).parent.parent.parent


def describe_protos(source: Path, output: Path, *names: str) -> Path:
    """Writes the descriptor set of some files, with imports and comments, as protoc does it."""
    well_known = files("grpc_tools") / "_proto"
    folders = [f"-I{source}", f"-I{well_known}", f"-I{_annotations()}"]
    options = ["--include_imports", "--include_source_info", f"--descriptor_set_out={output}"]
    if protoc.main(["protoc", *folders, *options, *names]) != 0:
        raise AssertionError(f"{', '.join(names)} below {source} do not compile")
    return output
