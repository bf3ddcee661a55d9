"""``grpc.server(ThreadPoolExecutor())`` around the synchronous servicer: grpcio's or, with one import changed, Narthex's."""

import argparse
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module

import calculator

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--module", choices=("grpc", "narthex.grpc"), default="grpc")
    options = parser.parse_args()
    server = import_module(options.module).server(ThreadPoolExecutor())
    calculator.register_sync(server)
    server.add_insecure_port(f"127.0.0.1:{options.port}")
    server.start()
    server.wait_for_termination()
