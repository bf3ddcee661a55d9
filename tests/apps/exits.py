"""Applications and servicers that try to end the process, and one whose lifespan does not end."""

import asyncio
import sys

import grpc
from asgi_common import answer

EXITS = {"exit": lambda: sys.exit(7), "interrupt": lambda: leave(KeyboardInterrupt())}


def leave(error):
    raise error


async def app(scope, receive, send):
    """``/exit``, ``/interrupt``: at once; with ``/later`` behind it, after a turn of the loop."""
    if scope["type"] == "lifespan":
        raise ValueError("not here")
    _, name, *later = scope["path"].split("/")
    if later:
        await asyncio.sleep(0.01)
    if name:
        EXITS[name]()
    await answer(send, b"still here")


async def exit_in_startup(scope, receive, send):
    await receive()
    sys.exit(9)


async def endless_shutdown(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await asyncio.sleep(3600)
    await answer(send, b"")


async def Exit(request, context):
    if request:
        await asyncio.sleep(0.01)
    sys.exit(7)


async def Echo(request, context):
    return request


def register(server):
    methods = {name: grpc.unary_unary_rpc_method_handler(method) for name, method in (("Exit", Exit), ("Echo", Echo))}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Exits", methods),))
