"""How calls end otherwise: codes that are set, exceptions that nobody caught, messages that cannot be read or written."""

import asyncio

import grpc
import grpc.aio
import pytest
from grpc import StatusCode
from grpc_servers import entries, failed, outcome

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("one_loop")]


def unary(handler, **how):
    return grpc.unary_unary_rpc_method_handler(handler, **how)


async def error_of(aio_serving, handler, **how):
    async with aio_serving(unary(handler, **how)) as served:
        return await failed(served.unary_unary(b"request"))


async def test_a_code_that_is_set(aio_serving):
    async def handler(request, context):
        context.set_code(StatusCode.FAILED_PRECONDITION)
        context.set_details("not yet")
        context.set_trailing_metadata((("why", "because"),))
        return b"ignored"

    error = await error_of(aio_serving, handler)
    assert outcome(error) == (StatusCode.FAILED_PRECONDITION, "not yet")
    assert entries(error.trailing_metadata()) == [("why", "because")]


async def test_a_code_that_is_set_without_a_message(aio_serving):
    async def handler(request, context):
        context.set_code(StatusCode.INTERNAL)

    def serialize(message):
        raise AssertionError("there is no message to serialize")

    assert outcome(await error_of(aio_serving, handler, response_serializer=serialize)) == (StatusCode.INTERNAL, "")


@pytest.mark.parametrize("code", list(StatusCode)[1:])
async def test_every_code(aio_serving, code):
    async def handler(request, context):
        context.set_code(code)

    assert (await error_of(aio_serving, handler)).code() is code


@pytest.mark.parametrize(("code", "expected"), [(7, StatusCode.PERMISSION_DENIED), (99, StatusCode.UNKNOWN)])
async def test_a_code_that_is_a_number(aio_serving, code, expected):
    async def handler(request, context):
        context.set_code(code)

    assert (await error_of(aio_serving, handler)).code() is expected


async def test_details_with_ok(aio_serving):
    async def handler(request, context):
        context.set_details("all is well")
        return b"response"

    async with aio_serving(unary(handler)) as served:
        call = served.unary_unary()
        assert await call == b"response"
        assert await call.code() is StatusCode.OK


async def test_a_code_that_is_set_back_to_ok(aio_serving):
    async def handler(request, context):
        context.set_code(StatusCode.INTERNAL)
        context.set_code(StatusCode.OK)
        return b"response"

    async with aio_serving(unary(handler)) as served:
        assert await served.unary_unary() == b"response"


async def test_what_was_set_can_be_read(aio_serving):
    seen = []

    async def handler(request, context):
        seen.append((context.code(), context.details(), context.trailing_metadata()))
        context.set_code(StatusCode.NOT_FOUND)
        context.set_details("lost")
        context.set_trailing_metadata([("a", "b"), ("c-bin", b"d")])
        seen.append((context.code(), context.details(), context.trailing_metadata()))

    await error_of(aio_serving, handler)
    assert seen == [(None, "", ()), (StatusCode.NOT_FOUND, "lost", (("a", "b"), ("c-bin", b"d")))]


async def test_a_code_that_is_set_after_messages(aio_serving):
    async def handler(request, context):
        yield b"one"
        context.set_code(StatusCode.OUT_OF_RANGE)
        context.set_details("that was all")

    async with aio_serving(grpc.unary_stream_rpc_method_handler(handler)) as served:
        call = served.unary_stream()
        assert await call.read() == b"one"
        assert (await call.code(), await call.details()) == (StatusCode.OUT_OF_RANGE, "that was all")


# ---- exceptions


async def test_an_exception(aio_serving):
    async def handler(request, context):
        raise ValueError("what a value")

    assert outcome(await error_of(aio_serving, handler)) == (
        StatusCode.UNKNOWN,
        "Unexpected <class 'ValueError'>: what a value",
    )


async def test_an_exception_of_ones_own(aio_serving):
    class OwnError(Exception):
        def __str__(self):
            return "in its own words"

    async def handler(request, context):
        raise OwnError

    error = await error_of(aio_serving, handler)
    assert outcome(error) == (StatusCode.UNKNOWN, f"Unexpected {OwnError}: in its own words")


async def test_an_exception_after_a_code_was_set(aio_serving):
    async def handler(request, context):
        context.set_code(StatusCode.UNAVAILABLE)
        context.set_details("replaced")
        context.set_trailing_metadata((("kept", "yes"),))
        raise ValueError("what a value")

    error = await error_of(aio_serving, handler)
    assert outcome(error) == (StatusCode.UNAVAILABLE, "Unexpected <class 'ValueError'>: what a value")
    assert entries(error.trailing_metadata()) == [("kept", "yes")]


async def generator(request, context):
    yield b"one"
    raise ValueError("after one")


async def writer(request, context):
    await context.write(b"one")
    raise ValueError("after one")


@pytest.mark.parametrize("handler", [generator, writer])
async def test_an_exception_after_messages(aio_serving, handler):
    async with aio_serving(grpc.unary_stream_rpc_method_handler(handler)) as served:
        call = served.unary_stream()
        assert await call.read() == b"one"
        assert (await call.code(), await call.details()) == (StatusCode.UNKNOWN, "Unexpected <class 'ValueError'>: after one")


async def test_an_exception_while_requests_still_come(aio_serving):
    async def unary_response(request_iterator, context):
        async for _ in request_iterator:
            raise ValueError("at the first")

    async def stream_response(request_iterator, context):
        async for request in request_iterator:
            raise ValueError("at the first")
            yield request

    handlers = {
        "Unary": grpc.stream_unary_rpc_method_handler(unary_response),
        "Stream": grpc.stream_stream_rpc_method_handler(stream_response),
    }
    async with aio_serving(handlers) as served:
        for call in (served.stream_unary(None, "Unary"), served.stream_stream(None, "Stream")):
            await call.write(b"one")
            assert await call.code() is StatusCode.UNKNOWN
            assert await call.details() == "Unexpected <class 'ValueError'>: at the first"


async def test_an_exception_is_logged_with_its_traceback(aio_serving, caplog):
    async def handler(request, context):
        raise ValueError("what a value")

    with caplog.at_level("ERROR"):
        await error_of(aio_serving, handler)
    (record,) = [record for record in caplog.records if record.exc_info]
    assert record.exc_info[0] is ValueError
    assert "/test.Service/Method" in record.getMessage()


@pytest.mark.differs("grpcio sends no status at all: its client waits until its deadline")
async def test_cancelled_error_of_the_handlers_own(aio_serving):
    async def handler(request, context):
        raise asyncio.CancelledError

    async with aio_serving(unary(handler)) as served:
        assert (await failed(served.unary_unary(timeout=2))).code() is StatusCode.CANCELLED


# ---- messages that are none


async def test_a_request_that_cannot_be_read(aio_serving):
    async def handler(request, context):
        raise AssertionError("there is no request")

    def deserialize(data):
        raise ValueError("cannot be read")

    error = await error_of(aio_serving, handler, request_deserializer=deserialize)
    assert error.code() is StatusCode.UNKNOWN


async def test_a_request_of_a_stream_that_cannot_be_read(aio_serving):
    async def handler(request_iterator, context):
        return b"%d" % sum([request async for request in request_iterator])

    how = grpc.stream_unary_rpc_method_handler(handler, request_deserializer=int)
    async with aio_serving(how) as served:
        assert await served.stream_unary(iter([b"1", b"2"])) == b"3"
        assert (await failed(served.stream_unary(iter([b"1", b"no number"])))).code() is StatusCode.UNKNOWN


async def test_a_response_that_cannot_be_written(aio_serving):
    async def handler(request, context):
        return object()

    def serialize(message):
        raise ValueError("cannot be written")

    assert (await error_of(aio_serving, handler, response_serializer=serialize)).code() is StatusCode.UNKNOWN


async def test_a_response_of_a_stream_that_cannot_be_written(aio_serving):
    async def handler(request, context):
        yield 1
        yield None

    how = grpc.unary_stream_rpc_method_handler(handler, response_serializer=lambda number: b"%d" % number)
    async with aio_serving(how) as served:
        call = served.unary_stream()
        assert await call.read() == b"1"
        assert await call.code() is StatusCode.UNKNOWN


async def test_a_response_that_is_no_bytes(aio_serving):
    async def handler(request, context):
        return 1

    assert (await error_of(aio_serving, handler)).code() is StatusCode.UNKNOWN


async def test_serializers_get_and_give_messages(aio_serving):
    async def handler(request, context):
        return request + 1

    how = unary(handler, request_deserializer=int, response_serializer=lambda message: b"%d" % message)
    async with aio_serving(how) as served:
        assert await served.unary_unary(b"41") == b"42"


async def test_text_is_a_message_too(aio_serving):
    async def handler(request, context):
        return "tëxt"

    async with aio_serving(unary(handler)) as served:
        assert await served.unary_unary() == "tëxt".encode()
