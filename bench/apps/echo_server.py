"""What the handler with round trips of its own talks to: sends back what it gets."""

import asyncio
import sys
from typing import Any

import uvloop


class Echo(asyncio.Protocol):
    """One connection."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keeps the transport."""
        self._transport: Any = transport

    def data_received(self, data: bytes) -> None:
        """Sends it back."""
        self._transport.write(data)


async def main(port: int) -> None:
    """Serves for ever."""
    server = await asyncio.get_running_loop().create_server(Echo, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
