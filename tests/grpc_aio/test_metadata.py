"""Metadata both ways: what arrives, in which order, and what is refused."""

import grpc
import grpc.aio
import pytest
from grpc import StatusCode
from grpc_servers import entries, failed, received

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("one_loop")]

TO_SERVER = (("to-server", "question"), ("to-server-bin", b"\x07\x00\xff"))
INITIAL = (("initial", "answer"), ("initial-bin", b"\x06\x00\xfe"))
TRAILING = (("trailing", "stack-trace"), ("trailing-bin", b"\x05\x00\xfd"))


def unary(handler):
    return grpc.unary_unary_rpc_method_handler(handler)


async def unary_unary(request, context):
    assert entries(context.invocation_metadata()) == list(TO_SERVER)
    await context.send_initial_metadata(INITIAL)
    context.set_trailing_metadata(TRAILING)
    return b"response"


async def unary_stream(request, context):
    await unary_unary(request, context)
    yield b"response"


async def unary_stream_writer(request, context):
    await unary_unary(request, context)
    await context.write(b"response")


async def stream_unary(request_iterator, context):
    await unary_unary(b"", context)
    assert [request async for request in request_iterator] == [b"request"]
    return b"response"


async def stream_stream(request_iterator, context):
    await unary_unary(b"", context)
    async for _ in request_iterator:
        yield b"response"


KINDS = {
    "unary_unary": (grpc.unary_unary_rpc_method_handler(unary_unary), b"request"),
    "unary_stream": (grpc.unary_stream_rpc_method_handler(unary_stream), b"request"),
    "unary_stream_writer": (grpc.unary_stream_rpc_method_handler(unary_stream_writer), b"request"),
    "stream_unary": (grpc.stream_unary_rpc_method_handler(stream_unary), [b"request"]),
    "stream_stream": (grpc.stream_stream_rpc_method_handler(stream_stream), [b"request"]),
}


@pytest.mark.parametrize("kind", KINDS)
async def test_metadata_of_every_kind_of_call(aio_serving, kind):
    handler, request = KINDS[kind]
    async with aio_serving(handler) as served:
        call = getattr(served, kind.removesuffix("_writer"))(request, metadata=TO_SERVER)
        assert entries(await call.initial_metadata()) == list(INITIAL)
        assert await received(call) == [b"response"]
        assert entries(await call.trailing_metadata()) == list(TRAILING)
        assert await call.code() is StatusCode.OK


async def test_initial_metadata_arrives_before_the_first_message(aio_serving):
    async def handler(request_iterator, context):
        await context.send_initial_metadata(INITIAL)
        async for request in request_iterator:
            yield request

    async with aio_serving(grpc.stream_stream_rpc_method_handler(handler)) as served:
        call = served.stream_stream()
        assert entries(await call.initial_metadata()) == list(INITIAL)
        await call.write(b"only now")
        assert await call.read() == b"only now"
        await call.done_writing()
        assert await call.code() is StatusCode.OK


async def test_values_of_one_key_keep_their_order(aio_serving):
    sent = [("key", "1"), ("other", "x"), ("key", "2"), ("key-bin", b"\x03"), ("key", "4"), ("key-bin", b"\x05")]
    seen = []

    async def handler(request, context):
        seen.extend(entries(context.invocation_metadata()))
        context.set_trailing_metadata(sent)
        return b""

    async with aio_serving(unary(handler)) as served:
        call = served.unary_unary(metadata=sent)
        await call
        for arrived in (seen, entries(await call.trailing_metadata())):
            for key in ("key", "other", "key-bin"):
                assert [value for name, value in arrived if name == key] == [value for name, value in sent if name == key]


@pytest.mark.parametrize("value", [b"", b"\0", bytes(range(256)), b"a,b", b"x" * 3000], ids=len)
async def test_binary_values(aio_serving, value):
    async def handler(request, context):
        metadata = dict(context.invocation_metadata())
        await context.send_initial_metadata((("back-bin", metadata["there-bin"]),))
        context.set_trailing_metadata((("back-bin", metadata["there-bin"]),))
        return metadata["there-bin"]

    async with aio_serving(unary(handler)) as served:
        call = served.unary_unary(metadata=(("there-bin", value),))
        assert await call == value
        assert entries(await call.initial_metadata()) == [("back-bin", value)]
        assert entries(await call.trailing_metadata()) == [("back-bin", value)]


async def test_invocation_metadata_is_a_tuple_of_pairs_of_text(aio_serving):
    seen = []

    async def handler(request, context):
        seen.append(context.invocation_metadata())
        return b""

    async with aio_serving(unary(handler)) as served:
        await served.unary_unary(metadata=TO_SERVER)
    assert isinstance(seen[0], tuple)
    assert all(len(pair) == 2 for pair in seen[0])
    assert {key: type(value) for key, value in seen[0] if key.startswith("to-server")} == {
        "to-server": str,
        "to-server-bin": bytes,
    }
    assert dict(seen[0])["user-agent"].startswith("grpc-python-asyncio/")
    # What belongs to the protocol is not metadata.
    assert not {"content-type", "te", "grpc-timeout", "grpc-encoding", ":path", ":authority"} & {key for key, _ in seen[0]}


async def test_keys_and_values_can_be_looked_at_by_name(aio_serving):
    seen = []

    async def handler(request, context):
        seen.extend((pair.key, pair.value) for pair in context.invocation_metadata() if pair.key == "to-server")
        return b""

    async with aio_serving(unary(handler)) as served:
        await served.unary_unary(metadata=TO_SERVER)
    assert seen == [("to-server", "question")]


async def test_metadata_objects_are_metadata(aio_serving):
    async def handler(request, context):
        await context.send_initial_metadata(grpc.aio.Metadata(*INITIAL))
        context.set_trailing_metadata(grpc.aio.Metadata(*TRAILING))
        return b""

    async with aio_serving(unary(handler)) as served:
        call = served.unary_unary()
        await call
        assert entries(await call.initial_metadata()) == list(INITIAL)
        assert entries(await call.trailing_metadata()) == list(TRAILING)


async def test_initial_metadata_twice(aio_serving):
    raised = []

    async def handler(request, context):
        await context.send_initial_metadata(INITIAL)
        try:
            await context.send_initial_metadata(INITIAL)
        except grpc.aio.UsageError as error:
            raised.append(str(error))
        return b""

    async with aio_serving(unary(handler)) as served:
        await served.unary_unary()
    assert raised == ["Send initial metadata failed: already sent"]


async def test_initial_metadata_after_a_message(aio_serving):
    raised = []

    async def handler(request, context):
        yield b"one"
        try:
            await context.send_initial_metadata(INITIAL)
        except grpc.aio.UsageError as error:
            raised.append(str(error))

    async with aio_serving(grpc.unary_stream_rpc_method_handler(handler)) as served:
        assert [message async for message in served.unary_stream()] == [b"one"]
    assert raised == ["Send initial metadata failed: already sent"]


async def test_initial_metadata_reaches_the_client_of_a_call_that_fails(aio_serving):
    async def handler(request, context):
        await context.send_initial_metadata(INITIAL)
        context.set_trailing_metadata(TRAILING)
        raise ValueError("after all")

    async with aio_serving(unary(handler)) as served:
        error = await failed(served.unary_unary())
    assert error.code() is StatusCode.UNKNOWN
    assert entries(error.initial_metadata()) == list(INITIAL)
    assert entries(error.trailing_metadata()) == list(TRAILING)


@pytest.mark.parametrize("metadata", [42, {"a": "b"}, [{"a": "b"}], [("a",)], [("a", "b", "c")]], ids=repr)
async def test_trailing_metadata_that_is_none(aio_serving, metadata):
    raised = []

    async def handler(request, context):
        try:
            context.set_trailing_metadata(metadata)
        except TypeError as error:
            raised.append(str(error))
        return b""

    async with aio_serving(unary(handler)) as served:
        call = served.unary_unary()
        await call
        assert entries(await call.trailing_metadata()) == []
    assert len(raised) == 1
    assert "trailing metadata" in raised[0]


@pytest.mark.parametrize("metadata", [((42, 42),), (("key", object()),)], ids=["key", "value"])
async def test_initial_metadata_that_is_none(aio_serving, metadata):
    async def handler(request, context):
        await context.send_initial_metadata(metadata)
        return b""

    async with aio_serving(unary(handler)) as served:
        error = await failed(served.unary_unary())
    assert error.code() is StatusCode.UNKNOWN
    assert error.details().startswith("Unexpected <class 'TypeError'>")


@pytest.mark.parametrize("key", ["content-type", "content-length", "te", "grpc-status", "grpc-message", "grpc-accept-encoding"])
async def test_names_of_the_protocol_are_not_sent_and_harm_no_call(aio_serving, key):
    async def handler(request, context):
        await context.send_initial_metadata(((key, "9"), ("a", "1")))
        context.set_trailing_metadata(((key, "9"), ("b", "2")))
        return request

    async with aio_serving(unary(handler)) as served:
        call = served.unary_unary(b"x")
        assert await call == b"x"
        assert entries(await call.initial_metadata()) == [("a", "1")]
        assert entries(await call.trailing_metadata()) == [("b", "2")]


async def test_other_names_that_begin_as_the_protocols_are_metadata(aio_serving):
    """A servicer says ``grpc-retry-pushback-ms`` to the library of its client."""
    seen = []

    async def handler(request, context):
        seen.extend(context.invocation_metadata())
        context.set_trailing_metadata((("grpc-retry-pushback-ms", "5"),))
        return b""

    async with aio_serving(unary(handler)) as served:
        call = served.unary_unary(metadata=(("grpc-something", "x"),))
        await call
        assert entries(await call.trailing_metadata()) == [("grpc-retry-pushback-ms", "5")]
    assert ("grpc-something", "x") in seen


async def test_a_value_that_is_none_is_empty(aio_serving):
    async def handler(request, context):
        await context.send_initial_metadata((("a", None),))
        return b""

    async with aio_serving(unary(handler)) as served:
        call = served.unary_unary()
        await call
        assert entries(await call.initial_metadata()) == [("a", "")]


async def test_setting_trailing_metadata_again_replaces_it(aio_serving):
    async def handler(request, context):
        context.set_trailing_metadata((("a", "1"), ("b", "2")))
        context.set_trailing_metadata((("c", "3"),))
        return b""

    async with aio_serving(unary(handler)) as served:
        call = served.unary_unary()
        await call
        assert entries(await call.trailing_metadata()) == [("c", "3")]
