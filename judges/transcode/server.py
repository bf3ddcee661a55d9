"""The backend on grpc.aio's own server, for a real Envoy in front of it; prints its port."""

import asyncio
import signal
import sys

import backend
import grpc


async def main() -> None:
    server = grpc.aio.server()
    backend.register(server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(port, flush=True)
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    await stopped.wait()
    await server.stop(None)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
