"""The server under test: ``python server.py STYLE LIBRARY [CERTIFICATE KEY]``; the first line it prints is its port."""

import sys
from pathlib import Path
from typing import Any

import servers
from grpc_reflection.v1alpha import reflection
from interop_protos import test_pb2, test_pb2_grpc
from servicers import SERVICERS


def main(style: str, library: str, *tls: str) -> None:
    """Serves until SIGTERM."""
    servicer = SERVICERS[style]()

    def register(server: Any) -> None:
        test_pb2_grpc.add_TestServiceServicer_to_server(servicer, server)
        names = (test_pb2.DESCRIPTOR.services_by_name["TestService"].full_name, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, server)

    files = [Path(path).read_bytes() for path in tls]
    plan = servers.Plan(style, library, register, servers.Tls(*files) if files else None)
    servers.run(plan, lambda port: print(port, flush=True))


if __name__ == "__main__":
    main(*sys.argv[1:])
