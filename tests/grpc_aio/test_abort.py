"""``context.abort`` and ``abort_with_status``: the call ends there, whatever the handler does afterwards."""

import asyncio
from collections import namedtuple

import grpc
import grpc.aio
import pytest
from grpc import StatusCode
from grpc_servers import entries, failed, outcome

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("one_loop")]

REFUSAL = (StatusCode.RESOURCE_EXHAUSTED, "No more of these")


class Status(namedtuple("Status", ["code", "details", "trailing_metadata"]), grpc.Status):
    """What ``grpc_status.rpc_status.to_status`` makes."""


def unary(handler):
    return grpc.unary_unary_rpc_method_handler(handler)


async def error_of(aio_serving, handler, **arguments):
    async with aio_serving(unary(handler), **arguments) as served:
        return await failed(served.unary_unary())


async def test_abort_ends_the_call_with_an_exception(aio_serving):
    raised = []

    async def handler(request, context):
        try:
            await context.abort(*REFUSAL)
        except BaseException as error:
            raised.append(type(error))
            raise
        raise AssertionError("abort returned")

    assert outcome(await error_of(aio_serving, handler)) == REFUSAL
    assert raised == [grpc.aio.AbortError]


async def test_abort_error_is_no_ordinary_usage_error(aio_serving):
    assert issubclass(grpc.aio.AbortError, grpc.aio.BaseError)
    assert not issubclass(grpc.aio.AbortError, grpc.aio.UsageError)


async def test_abort_that_is_suppressed(aio_serving):
    async def handler(request, context):
        try:
            await context.abort(*REFUSAL)
        except grpc.aio.AbortError:
            return b"as if nothing had happened"

    assert outcome(await error_of(aio_serving, handler)) == REFUSAL


async def test_abort_that_is_replaced_by_another_exception(aio_serving):
    async def handler(request, context):
        try:
            await context.abort(*REFUSAL)
        except grpc.aio.AbortError:
            raise ValueError("instead") from None

    assert outcome(await error_of(aio_serving, handler)) == REFUSAL


async def test_abort_twice(aio_serving):
    second = asyncio.get_running_loop().create_future()

    async def handler(request, context):
        try:
            await context.abort(*REFUSAL)
        except grpc.aio.AbortError:
            try:
                await context.abort(StatusCode.INVALID_ARGUMENT, "another")
            except grpc.aio.UsageError as error:
                second.set_result(str(error))
                raise

    assert outcome(await error_of(aio_serving, handler)) == REFUSAL
    assert await second == "Abort already called!"


async def test_abort_after_messages(aio_serving):
    async def handler(request, context):
        yield b"one"
        await context.abort(*REFUSAL)

    async with aio_serving(grpc.unary_stream_rpc_method_handler(handler)) as served:
        call = served.unary_stream()
        assert await call.read() == b"one"
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await call.read()
        assert outcome(raised.value) == REFUSAL
        assert (await call.code(), await call.details()) == REFUSAL


async def test_abort_in_the_writer_style(aio_serving):
    async def handler(request_iterator, context):
        await context.write(await context.read())
        await context.abort(*REFUSAL)

    async with aio_serving(grpc.stream_stream_rpc_method_handler(handler)) as served:
        call = served.stream_stream()
        await call.write(b"one")
        assert await call.read() == b"one"
        assert (await call.code(), await call.details()) == REFUSAL


async def test_abort_while_requests_still_come(aio_serving):
    async def handler(request_iterator, context):
        async for _ in request_iterator:
            await context.abort(*REFUSAL)

    async with aio_serving(grpc.stream_unary_rpc_method_handler(handler)) as served:
        call = served.stream_unary()
        await call.write(b"one")
        assert outcome(await failed(call)) == REFUSAL


async def test_abort_takes_what_was_set_before(aio_serving):
    async def handler(request, context):
        context.set_details("set before")
        context.set_trailing_metadata((("set", "before"),))
        await context.abort(StatusCode.NOT_FOUND)

    error = await error_of(aio_serving, handler)
    assert outcome(error) == (StatusCode.NOT_FOUND, "set before")
    assert entries(error.trailing_metadata()) == [("set", "before")]


async def test_abort_replaces_what_was_set_before(aio_serving):
    async def handler(request, context):
        context.set_code(StatusCode.INTERNAL)
        context.set_details("set before")
        context.set_trailing_metadata((("set", "before"),))
        await context.abort(StatusCode.NOT_FOUND, "now", (("set", "now"), ("set-bin", b"\0\xff")))

    error = await error_of(aio_serving, handler)
    assert outcome(error) == (StatusCode.NOT_FOUND, "now")
    assert entries(error.trailing_metadata()) == [("set", "now"), ("set-bin", b"\0\xff")]


@pytest.mark.parametrize(
    ("code", "expected"),
    [(5, StatusCode.NOT_FOUND), (42, StatusCode.UNKNOWN), ("no code", StatusCode.UNKNOWN)],
)
async def test_abort_with_what_is_no_status_code(aio_serving, code, expected):
    async def handler(request, context):
        await context.abort(code, "details")

    assert outcome(await error_of(aio_serving, handler)) == (expected, "details")


async def test_abort_with_status(aio_serving):
    async def handler(request, context):
        await context.abort_with_status(Status(StatusCode.ABORTED, "rich", (("grpc-status-details-bin", b"\x08\x0a"),)))

    error = await error_of(aio_serving, handler)
    assert outcome(error) == (StatusCode.ABORTED, "rich")
    assert entries(error.trailing_metadata()) == [("grpc-status-details-bin", b"\x08\x0a")]


@pytest.mark.parametrize("metadata", [{"a": "b"}, ({"a": "b"},), (("a",),), (("a", "b", "c"),)], ids=repr)
async def test_abort_with_metadata_that_is_none(aio_serving, metadata):
    async def handler(request, context):
        await context.abort(StatusCode.DATA_LOSS, "details", metadata)

    error = await error_of(aio_serving, handler)
    assert error.code() is StatusCode.UNKNOWN
    assert "Unexpected <class 'TypeError'>" in error.details()


@pytest.mark.parametrize("details", ["ünïcödé €", "100% \n\t\0 sure", "%41", " spaces ", "a" * 2000])
async def test_details_arrive_as_they_are(aio_serving, details):
    async def handler(request, context):
        await context.abort(StatusCode.ABORTED, details)

    assert outcome(await error_of(aio_serving, handler)) == (StatusCode.ABORTED, details)


async def test_what_abort_leaves_in_the_context(aio_serving):
    left = asyncio.get_running_loop().create_future()

    async def handler(request, context):
        try:
            await context.abort(*REFUSAL, (("a", "b"),))
        finally:
            left.set_result((context.done(), context.code(), context.details(), context.trailing_metadata()))

    await error_of(aio_serving, handler)
    assert await left == (True, *REFUSAL, (("a", "b"),))


@pytest.mark.parametrize("use", ["read", "write", "send_initial_metadata"])
async def test_using_the_context_after_abort_raises_it_again(aio_serving, use):
    raised = asyncio.get_running_loop().create_future()

    async def handler(request_iterator, context):
        try:
            await context.abort(*REFUSAL)
        except grpc.aio.AbortError as first:
            arguments = {"read": (), "write": (b"more",), "send_initial_metadata": ((("a", "b"),),)}[use]
            try:
                await getattr(context, use)(*arguments)
            except grpc.aio.AbortError as second:
                raised.set_result(second is first)
                raise

    async with aio_serving(grpc.stream_stream_rpc_method_handler(handler)) as served:
        assert outcome(await failed(served.stream_stream(iter(())))) == REFUSAL
    assert await raised is True
