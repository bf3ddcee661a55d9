"""Plain functions and generators on an asynchronous server, which runs them in threads."""

import threading

import grpc
import grpc.aio
import pytest
from grpc import StatusCode
from grpc_servers import entries, failed, outcome, received

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("one_loop")]


def echo(request, context):
    return request


def repeat(request, context):
    for _ in range(3):
        yield request


def join(request_iterator, context):
    return b" ".join(request_iterator)


def each(request_iterator, context):
    for request in request_iterator:
        yield request.upper()


HANDLERS = {
    "Echo": grpc.unary_unary_rpc_method_handler(echo),
    "Repeat": grpc.unary_stream_rpc_method_handler(repeat),
    "Join": grpc.stream_unary_rpc_method_handler(join),
    "Each": grpc.stream_stream_rpc_method_handler(each),
}


async def test_all_kinds(aio_serving, pool):
    async with aio_serving(HANDLERS, migration_thread_pool=pool) as served:
        assert await served.unary_unary(b"x", "Echo") == b"x"
        assert await received(served.unary_stream(b"x", "Repeat")) == [b"x"] * 3
        assert await served.stream_unary(iter([b"a", b"b"]), "Join") == b"a b"
        assert await received(served.stream_stream(iter([b"a", b"b"]), "Each")) == [b"A", b"B"]


async def test_messages_go_to_and_fro(aio_serving, pool):
    async with aio_serving(HANDLERS, migration_thread_pool=pool) as served:
        call = served.stream_stream(method="Each")
        for request in (b"a", b"b", b"c"):
            await call.write(request)
            assert await call.read() == request.upper()
        await call.done_writing()
        assert await call.read() is grpc.aio.EOF
        assert await call.code() is StatusCode.OK


async def test_they_run_in_the_pool_that_was_given(aio_serving, pool):
    names = []

    def handler(request, context):
        names.append(threading.current_thread().name)
        return b""

    async with aio_serving(grpc.unary_unary_rpc_method_handler(handler), migration_thread_pool=pool) as served:
        await served.unary_unary()
    assert [name.startswith("given-pool") for name in names] == [True]


async def test_they_need_no_pool(aio_serving):
    async with aio_serving(HANDLERS) as served:
        assert await served.unary_unary(b"x", "Echo") == b"x"
        assert await received(served.stream_stream(iter([b"a", b"b"]), "Each")) == [b"A", b"B"]


async def test_the_loop_goes_on_while_they_block(aio_serving, pool):
    release = threading.Event()

    def blocks(request, context):
        assert release.wait(10)
        return b"released"

    async def releases(request, context):
        release.set()
        return b"done"

    handlers = {
        "Blocks": grpc.unary_unary_rpc_method_handler(blocks),
        "Releases": grpc.unary_unary_rpc_method_handler(releases),
    }
    async with aio_serving(handlers, migration_thread_pool=pool) as served:
        call = served.unary_unary(method="Blocks")
        assert await served.unary_unary(method="Releases") == b"done"
        assert await call == b"released"


async def test_metadata(aio_serving, pool):
    def handler(request, context):
        context.send_initial_metadata((("initial", dict(context.invocation_metadata())["there"]),))
        context.set_trailing_metadata((("trailing-bin", b"\0"),))
        return b""

    async with aio_serving(grpc.unary_unary_rpc_method_handler(handler), migration_thread_pool=pool) as served:
        call = served.unary_unary(metadata=(("there", "value"),))
        await call
        assert entries(await call.initial_metadata()) == [("initial", "value")]
        assert entries(await call.trailing_metadata()) == [("trailing-bin", b"\0")]


async def test_abort(aio_serving, pool):
    def handler(request, context):
        context.abort(StatusCode.NOT_FOUND, "nowhere")
        raise AssertionError("abort returned")

    async with aio_serving(grpc.unary_unary_rpc_method_handler(handler), migration_thread_pool=pool) as served:
        assert outcome(await failed(served.unary_unary())) == (StatusCode.NOT_FOUND, "nowhere")


@pytest.mark.differs("grpcio lets a generator run ahead of what it writes, and then fails to abort", sometimes=True)
async def test_abort_after_messages(aio_serving, pool):
    def handler(request, context):
        yield b"one"
        context.abort(StatusCode.NOT_FOUND, "nowhere", (("a", "b"),))

    async with aio_serving(grpc.unary_stream_rpc_method_handler(handler), migration_thread_pool=pool) as served:
        call = served.unary_stream()
        assert await call.read() == b"one"
        assert (await call.code(), await call.details()) == (StatusCode.NOT_FOUND, "nowhere")
        assert entries(await call.trailing_metadata()) == [("a", "b")]


async def test_a_code_that_is_set(aio_serving, pool):
    def handler(request, context):
        context.set_code(StatusCode.INTERNAL)
        context.set_details("not well")

    async with aio_serving(grpc.unary_unary_rpc_method_handler(handler), migration_thread_pool=pool) as served:
        assert outcome(await failed(served.unary_unary())) == (StatusCode.INTERNAL, "not well")


def raises(request, context):
    raise RuntimeError("at once")


def raises_later(request, context):
    yield b"one"
    raise RuntimeError("at once")


def raises_after_reading(request_iterator, context):
    list(request_iterator)
    raise RuntimeError("at once")


def raises_while_reading(request_iterator, context):
    yield from request_iterator
    raise RuntimeError("at once")


@pytest.mark.parametrize(
    ("kind", "handler"),
    [
        ("unary_unary", raises),
        ("unary_stream", raises_later),
        ("stream_unary", raises_after_reading),
        ("stream_stream", raises_while_reading),
    ],
)
async def test_an_exception(aio_serving, pool, kind, handler):
    handler = getattr(grpc, f"{kind}_rpc_method_handler")(handler)
    async with aio_serving(handler, migration_thread_pool=pool) as served:
        call = getattr(served, kind)([b"one"] if kind.startswith("stream") else b"one")
        assert outcome(await failed(call)) == (StatusCode.UNKNOWN, "Unexpected <class 'RuntimeError'>: at once")


async def test_time_remaining_and_peer(aio_serving, pool):
    seen = []

    def handler(request, context):
        seen.append((context.time_remaining(), context.peer().split(":")[0]))
        return b""

    async with aio_serving(grpc.unary_unary_rpc_method_handler(handler), migration_thread_pool=pool) as served:
        await served.unary_unary(timeout=5)
        await served.unary_unary(timeout=None)
    # The client rounds its timeout up, to ten milliseconds.
    assert 0 < seen[0][0] < 5.1
    assert seen[1][0] is None
    assert [peer for _, peer in seen] == ["ipv4", "ipv4"]


async def test_a_function_that_returns_an_iterator(aio_serving, pool):
    handler = grpc.unary_stream_rpc_method_handler(lambda request, context: iter([b"a", b"b"]))
    async with aio_serving(handler, migration_thread_pool=pool) as served:
        assert await received(served.unary_stream()) == [b"a", b"b"]


async def test_callbacks_run_at_the_end(aio_serving, pool):
    ran = threading.Event()

    def handler(request, context):
        context.add_callback(ran.set)
        return b""

    async with aio_serving(grpc.unary_unary_rpc_method_handler(handler), migration_thread_pool=pool) as served:
        await served.unary_unary()
    assert ran.wait(10)
