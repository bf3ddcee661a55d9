"""The server under test, as the runner of the conformance suite starts it: ``python server.py STYLE LIBRARY``.

It is told on standard input what to serve, and says on standard output where it does: a message each, after its size in four
bytes. It serves until SIGTERM.
"""

import struct
import sys
from typing import Any

import servers
from connectrpc.conformance.v1 import server_compat_pb2, service_pb2_grpc
from servicers import SERVICERS

_SIZE = struct.Struct(">I")


def main(style: str, library: str) -> None:
    """Serves what the request on standard input asks for."""
    asked = server_compat_pb2.ServerCompatRequest()
    (size,) = _SIZE.unpack(sys.stdin.buffer.read(_SIZE.size))
    asked.ParseFromString(sys.stdin.buffer.read(size))
    servicer = SERVICERS[style]()

    def register(server: Any) -> None:
        service_pb2_grpc.add_ConformanceServiceServicer_to_server(servicer, server)

    def ready(port: int) -> None:
        answer = server_compat_pb2.ServerCompatResponse(host="127.0.0.1", port=port, pem_cert=asked.server_creds.cert)
        encoded = answer.SerializeToString()
        sys.stdout.buffer.write(_SIZE.pack(len(encoded)) + encoded)
        sys.stdout.buffer.flush()

    options = [("grpc.max_receive_message_length", asked.message_receive_limit)] if asked.message_receive_limit else []
    tls = None
    if asked.use_tls:
        tls = servers.Tls(asked.server_creds.cert, asked.server_creds.key, asked.client_tls_cert or None)
    servers.run(servers.Plan(style, library, register, tls, options), ready)


if __name__ == "__main__":
    main(*sys.argv[1:])
