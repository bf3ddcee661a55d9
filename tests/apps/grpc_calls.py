"""Methods that each do one thing to their context; messages are bytes, JSON where they have parts.

``Calls`` has most methods twice, as a coroutine function and, with ``Sync`` at the end, as a plain one. ``Events`` lets a test
wait for what happens after a reply, or without one.
"""

import asyncio
import collections
import contextlib
import functools
import gc
import json
import threading
import time

import grpc
from grpc_events import Events
from grpc_misuse import MISUSES
from grpc_surroundings import SURROUNDINGS

ASYNC = {}
SYNC = {}
Status = collections.namedtuple("Status", ("code", "details", "trailing_metadata"))


EVENTS = Events()


def method(function):
    """Registers under the function's name."""
    (ASYNC if asyncio.iscoroutinefunction(function) else SYNC)[function.__name__] = function
    return function


def pairs(items):
    return tuple((key, bytes.fromhex(value) if key.endswith("-bin") else value) for key, value in items)


def readable(metadata):
    return [[key, value.hex() if isinstance(value, bytes) else value] for key, value in metadata]


def code(name):
    return name if isinstance(name, int) else getattr(grpc.StatusCode, name)


@method
async def Seen(request, context):
    return json.dumps(await EVENTS.wait(request.decode())).encode()


@method
async def Note(request, context):
    EVENTS.note(request.decode())
    return b""


@method
async def Echo(request, context):
    return request


@method
def EchoSync(request, context):
    return request


@method
async def Thread(request, context):
    return threading.current_thread().name.encode()


@method
def ThreadSync(request, context):
    return threading.current_thread().name.encode()


@method
async def Debug(request, context):
    """Whether the event loop is in its debug mode."""
    return str(asyncio.get_running_loop().get_debug()).encode()


@method
async def Text(request, context):
    return request.decode()


@method
async def Metadata(request, context):
    wanted = json.loads(request)
    if "initial" in wanted:
        await context.send_initial_metadata(pairs(wanted["initial"]))
    context.set_trailing_metadata(pairs(wanted.get("trailing", [])))
    return json.dumps([readable(context.invocation_metadata()), readable(context.trailing_metadata())]).encode()


@method
def MetadataSync(request, context):
    wanted = json.loads(request)
    if "initial" in wanted:
        context.send_initial_metadata(pairs(wanted["initial"]))
    context.set_trailing_metadata(pairs(wanted.get("trailing", [])))
    return json.dumps([readable(context.invocation_metadata()), readable(context.trailing_metadata())]).encode()


@method
async def Begin(request, context):
    """Sends its initial metadata, and goes on when it is told to."""
    wanted = json.loads(request)
    await context.send_initial_metadata((("early", "yes"),))
    await EVENTS.wait(wanted["name"])
    if "abort" in wanted:
        await context.abort(code(wanted["abort"]), "after the head")
    return b"message"


@method
def BeginSync(request, context):
    wanted = json.loads(request)
    context.send_initial_metadata((("early", "yes"),))
    asyncio.run_coroutine_threadsafe(EVENTS.wait(wanted["name"]), EVENTS.loop).result(20)
    if "abort" in wanted:
        context.abort(code(wanted["abort"]), "after the head")
    return b"message"


@method
async def BeginAndWait(request, context):
    await context.send_initial_metadata((("early", "yes"),))
    return await Wait(request, context)


@method
async def Block(request, context):
    """Keeps the event loop from everything else."""
    EVENTS.note(request.decode())
    time.sleep(2)
    return b"blocked"


def prepare(wanted, context):
    if "set_code" in wanted:
        context.set_code(code(wanted["set_code"]))
    if "set_details" in wanted:
        context.set_details(wanted["set_details"])
    if "set_trailing" in wanted:
        context.set_trailing_metadata(pairs(wanted["set_trailing"]))


def abort_arguments(wanted):
    arguments = [code(wanted["code"])]
    if "details" in wanted:
        arguments.append(wanted["details"])
    if "trailing" in wanted:
        arguments += [""] * (2 - len(arguments)) + [pairs(wanted["trailing"])]
    return arguments


@method
async def Abort(request, context):
    wanted = json.loads(request)
    prepare(wanted, context)
    await context.abort(*abort_arguments(wanted))
    return b"not reached"


@method
def AbortSync(request, context):
    wanted = json.loads(request)
    prepare(wanted, context)
    context.abort(*abort_arguments(wanted))
    return b"not reached"


@method
async def AbortWithStatus(request, context):
    details = (("grpc-status-details-bin", request),)
    await context.abort_with_status(Status(grpc.StatusCode.FAILED_PRECONDITION, "rich", details))


@method
def AbortWithStatusSync(request, context):
    details = (("grpc-status-details-bin", request),)
    context.abort_with_status(Status(grpc.StatusCode.FAILED_PRECONDITION, "rich", details))


@method
async def Swallow(request, context):
    with contextlib.suppress(grpc.aio.AbortError):
        await context.abort(grpc.StatusCode.ABORTED, "swallowed")
    return b"ignored"


@method
def SwallowSync(request, context):
    with contextlib.suppress(Exception):
        context.abort(grpc.StatusCode.ABORTED, "swallowed")
    return b"ignored"


@method
async def AbortThenFail(request, context):
    try:
        await context.abort(grpc.StatusCode.ABORTED, "first")
    finally:
        raise KeyError("second")


@method
async def AbortThenWork(request, context):
    try:
        await context.abort(grpc.StatusCode.ABORTED, "at once")
    finally:
        await EVENTS.wait(request.decode())
        EVENTS.note(request.decode() + " finished", context.done())


@method
async def Answer(request, context):
    prepare(json.loads(request), context)
    return b"message"


@method
def AnswerSync(request, context):
    prepare(json.loads(request), context)
    return b"message"


@method
async def Raise(request, context):
    prepare(json.loads(request), context)
    raise ValueError("boom")


@method
def RaiseSync(request, context):
    prepare(json.loads(request), context)
    raise ValueError("boom")


@method
async def Unprintable(request, context):
    class SilentError(Exception):
        def __str__(self):
            raise RuntimeError("no text")

    raise SilentError


@method
async def CancelItself(request, context):
    raise asyncio.CancelledError


@method
async def Nothing(request, context):
    return None


def look(context):
    return {
        "aio": isinstance(context, grpc.aio.ServicerContext),
        "sync": isinstance(context, grpc.ServicerContext),
        "peer": context.peer(),
        "time_remaining": context.time_remaining(),
        "code": context.code(),
        "trailing": list(context.trailing_metadata()),
        "cancelled": context.cancelled(),
        "done": context.done(),
        "identities": context.peer_identities(),
        "identity_key": context.peer_identity_key(),
        "auth": {key: [value.decode() for value in values] for key, values in context.auth_context().items()},
    }


@method
async def Look(request, context):
    return json.dumps(look(context) | {"details": context.details()}).encode()


@method
def LookSync(request, context):
    context.set_details("text")
    seen = look(context) | {"details": context.details().decode(), "active": context.is_active()}
    return json.dumps(seen).encode()


@method
async def Codes(request, context):
    seen = []
    for given in (grpc.StatusCode.NOT_FOUND, 5, 99, "nonsense"):
        context.set_code(given)
        seen.append(context.code() is given)
    context.set_code(grpc.StatusCode.OK)
    return json.dumps(seen).encode()


@method
async def Misuse(request, context):
    name = request.decode()
    try:
        result = MISUSES[name](context)
        if result is not None:
            await result
    except Exception as error:
        EVENTS.note(name, [type(error).__module__, type(error).__name__, str(error)])
        return b""
    EVENTS.note(name, None)
    return b""


@method
async def Contexts(request, context):
    """How many contexts are alive."""
    gc.collect()
    return json.dumps(sum(type(thing).__name__.endswith("ServicerContext") for thing in gc.get_objects())).encode()


@method
async def Late(request, context):
    """Uses its context after the call is over."""

    async def later():
        await EVENTS.wait(request.decode())
        try:
            await context.send_initial_metadata(())
        except grpc.aio.UsageError as error:
            called = []
            context.add_done_callback(called.append)
            EVENTS.note(request.decode() + " late", [str(error), called == [context]])

    TASKS.append(asyncio.get_running_loop().create_task(later()))
    return b""


TASKS = []


@method
async def Unawaited(request, context):
    context.abort(grpc.StatusCode.ABORTED, "nobody awaits this")
    return b"message"


@method
async def AbortInTask(request, context):
    await asyncio.create_task(context.abort(grpc.StatusCode.ABORTED, "in a task"))


def tell_done(name, context):
    EVENTS.note(name + " done", [context.cancelled(), context.done()])


@method
async def Wait(request, context):
    name = request.decode()
    context.add_done_callback(functools.partial(tell_done, name))
    EVENTS.note(name + " waits")
    try:
        await asyncio.get_running_loop().create_future()
    except asyncio.CancelledError:
        EVENTS.note(name + " cancelled", context.cancelled())
        raise


@method
def WaitSync(request, context):
    name = request.decode()
    gone = threading.Event()
    assert context.add_callback(gone.set)
    EVENTS.note(name + " waits")
    gone.wait(20)
    EVENTS.note(name + " cancelled", [context.is_active(), context.cancelled(), context.add_callback(gone.set)])
    return b"nobody reads this"


@method
async def Callbacks(request, context):
    name = request.decode()
    context.add_done_callback(functools.partial(tell_done, name))
    context.add_done_callback(lambda context: 1 / 0)
    return b""


@method
def CallbacksSync(request, context):
    name = request.decode()
    context.add_callback(lambda: 1 / 0)
    context.add_callback(lambda: EVENTS.note(name + " done", context.is_active()))
    return b""


@method
def CancelSync(request, context):
    context.cancel()
    EVENTS.note(request.decode(), [context.is_active(), context.cancelled()])
    return b""


@method
def Attributes(request, context):
    context.user = "me"
    return context.user.encode()


@method
def ReturnsCoroutine(request, context):
    return Echo(request, context)


@method
def ReturnsFailingCoroutine(request, context):
    return Raise(request, context)


class Callable:
    async def __call__(self, request, context):
        return b"callable"


class Failing:
    def __call__(self, message):
        raise ValueError("not this message")


def handlers():
    unary = grpc.unary_unary_rpc_method_handler
    known = {name: unary(function) for name, function in (ASYNC | SYNC | SURROUNDINGS).items()}
    known["Callable"] = unary(Callable())
    known["Partial"] = unary(functools.partial(Echo))
    known["BadRequest"] = unary(Echo, request_deserializer=Failing())
    known["BadRequestSync"] = unary(EchoSync, request_deserializer=Failing())
    known["BadResponse"] = unary(Echo, response_serializer=Failing())
    known["BadResponseSync"] = unary(EchoSync, response_serializer=Failing())
    known["Upper"] = unary(Echo, request_deserializer=bytes.decode, response_serializer=bytes.upper)
    return known


class Dynamic(grpc.GenericRpcHandler):
    """Knows its methods only when it is asked."""

    def __init__(self, prefix, reply):
        self.prefix = prefix
        self.reply = reply

    def service(self, details):
        if details.method == f"/{self.prefix}/Fails":
            raise ValueError("asked in vain")
        if details.method == f"/{self.prefix}/Streams":
            return grpc.stream_stream_rpc_method_handler(self.upper)
        if not details.method.startswith(f"/{self.prefix}/"):
            return None
        metadata = readable(pair for pair in details.invocation_metadata if pair.key.startswith("x-"))
        return grpc.unary_unary_rpc_method_handler(functools.partial(self.answer, metadata))

    async def upper(self, requests, context):
        async for request in requests:
            yield request.upper()

    async def answer(self, metadata, request, context):
        return json.dumps([self.reply, details_of(context), metadata]).encode()


def details_of(context):
    return readable(pair for pair in context.invocation_metadata() if pair.key.startswith("x-"))


async def register(server):
    EVENTS.loop = asyncio.get_running_loop()
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Calls", handlers()),))


async def register_dynamic(server):
    await register(server)
    server.add_generic_rpc_handlers((Dynamic("test.One", "first"), Dynamic("test.One", "never"), Dynamic("test.Two", "second")))
    server.add_generic_rpc_handlers((Dynamic("test.Calls", "registered methods come first"),))
