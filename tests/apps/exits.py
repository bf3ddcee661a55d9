"""Applications and servicers that raise what is no ``Exception``, and one whose lifespan does not end."""

import asyncio
import os
import sys

import grpc
from asgi_common import answer, body, start


class Own(BaseException):
    """What some frameworks end their tasks by."""


KINDS = {
    "SystemExit": lambda: SystemExit(7),
    "KeyboardInterrupt": KeyboardInterrupt,
    "GeneratorExit": GeneratorExit,
    "CancelledError": asyncio.CancelledError,
    "Own": lambda: Own("own"),
}


def leave(kind):
    raise KINDS[kind]()


async def app(scope, receive, send):
    """Raises what ``/KIND/WHERE`` says.

    At once, ``later`` after a turn of the loop, ``started`` in the midst of its response, ``complete`` after the response, in
    a ``callback`` or a ``task`` of the loop, or in a ``child`` that it awaits.
    """
    if scope["type"] == "lifespan":
        raise ValueError("not here")
    _, kind, *where = scope["path"].split("/")
    match where:
        case ["later"]:
            await asyncio.sleep(0.01)
        case ["started"]:
            await start(send)
            await body(send, b"first", True)
            await asyncio.sleep(0.01)
        case ["complete"]:
            await answer(send, b"complete")
        case ["callback"]:
            asyncio.get_running_loop().call_soon(leave, kind)
            await answer(send, b"left behind")
            return
        case ["task"]:
            TASKS.append(asyncio.create_task(leaves_later(kind)))
            await answer(send, b"left behind")
            return
        case ["child"]:
            await asyncio.create_task(leaves_later(kind))
    if kind:
        leave(kind)
    await answer(send, b"still here")


TASKS = []


async def leaves_later(kind):
    await asyncio.sleep(0)
    leave(kind)


class Lifespan:
    """Raises in ``startup``, with or without having taken the message, while it is ``up``, or in ``shutdown``."""

    def __init__(self):
        self.kind, self.phase = os.environ["NX_RAISES"].split()

    async def __call__(self, scope, receive, send):
        if scope["type"] != "lifespan":
            await answer(send, b"still here")
            return
        if self.phase == "call":
            leave(self.kind)
        await receive()
        if self.phase == "startup":
            leave(self.kind)
        await send({"type": "lifespan.startup.complete"})
        if self.phase == "up":
            await asyncio.sleep(0)
            leave(self.kind)
        await receive()
        leave(self.kind)


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


async def Raise(request, context):
    """``KIND`` or ``KIND later``."""
    kind, _, later = request.decode().partition(" ")
    if later:
        await asyncio.sleep(0.01)
    leave(kind)


def RaiseSync(request, context):
    leave(request.decode())


async def RaiseItems(request, context):
    yield b"first"
    leave(request.decode())


async def RaiseWriter(request, context):
    await context.write(b"first")
    leave(request.decode())


def RaiseItemsSync(request, context):
    yield b"first"
    leave(request.decode())


async def Echo(request, context):
    return request


def EchoSync(request, context):
    return request


def Fork(request, context):
    """On a lane; answers with the exit status of its child."""
    process = os.fork()
    if process == 0:
        if request == b"exits":
            sys.exit(3)
        if request == b"raises":
            raise ValueError("in the child")
        return b""
    _, status = os.waitpid(process, 0)
    return b"%d" % os.waitstatus_to_exitcode(status)


def register(server):
    methods = (Raise, RaiseSync, Echo, EchoSync, Fork)
    streams = (RaiseItems, RaiseWriter, RaiseItemsSync)
    handlers = {method.__name__: grpc.unary_unary_rpc_method_handler(method) for method in methods}
    handlers |= {method.__name__: grpc.unary_stream_rpc_method_handler(method) for method in streams}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Exits", handlers),))


def lifespan():
    return Lifespan()
