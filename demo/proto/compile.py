"""Compiles the protos beside this file into the Django app, as ``shop.v1.*_pb2``.

Run by ``make protos``; what it writes is not committed. google/api/annotations.proto comes from googleapis-common-protos.
"""

import sys
from importlib.resources import files
from pathlib import Path

import google.api
from grpc_tools import protoc

HERE = Path(__file__).resolve().parent
OUT = HERE.parent


def main() -> int:
    """Runs protoc; its exit code is this program's."""
    common_protos = Path(google.api.__path__[0]).parents[1]
    sources = sorted(str(path.relative_to(HERE)) for path in HERE.rglob("*.proto"))
    return protoc.main(
        [
            "protoc",
            f"-I{HERE}",
            f"-I{common_protos}",
            f"-I{files('grpc_tools') / '_proto'}",
            f"--python_out={OUT}",
            f"--pyi_out={OUT}",
            f"--grpc_python_out={OUT}",
            *sources,
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
