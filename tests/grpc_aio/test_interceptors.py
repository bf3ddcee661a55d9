"""``grpc.aio.ServerInterceptor`` as programs write them."""

import contextvars

import grpc
import grpc.aio
import pytest
from grpc import StatusCode
from grpc_servers import METHOD, entries, failed, outcome, received

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("one_loop")]

USER = contextvars.ContextVar("USER", default="nobody")


def unary(handler):
    return grpc.unary_unary_rpc_method_handler(handler)


async def echo(request, context):
    return request


class Noting(grpc.aio.ServerInterceptor):
    def __init__(self, name, notes):
        self.name, self.notes = name, notes

    async def intercept_service(self, continuation, handler_call_details):
        self.notes.append(f"{self.name} before")
        handler = await continuation(handler_call_details)
        self.notes.append(f"{self.name} after")
        return handler


class Doing(grpc.aio.ServerInterceptor):
    """Does what the coroutine function does."""

    def __init__(self, function):
        self.function = function

    async def intercept_service(self, continuation, handler_call_details):
        return await self.function(continuation, handler_call_details)


async def test_they_run_in_their_order_around_the_search(aio_serving):
    notes = []
    async with aio_serving(unary(echo), interceptors=[Noting("first", notes), Noting("second", notes)]) as served:
        assert await served.unary_unary(b"x") == b"x"
    assert notes == ["first before", "second before", "second after", "first after"]


async def test_they_run_once_for_each_call_of_every_kind(aio_serving):
    notes = []

    async def stream(request_iterator, context):
        async for request in request_iterator:
            yield request

    handlers = {"Method": unary(echo), "Stream": grpc.stream_stream_rpc_method_handler(stream)}
    async with aio_serving(handlers, interceptors=(Noting("i", notes),)) as served:
        await served.unary_unary(b"x")
        assert await received(served.stream_stream(iter([b"a", b"b"]), "Stream")) == [b"a", b"b"]
        assert (await failed(served.unary_unary(method="Unknown"))).code() is StatusCode.UNIMPLEMENTED
    assert notes == ["i before", "i after"] * 3


async def test_what_they_see_of_the_call(aio_serving):
    seen = []

    async def look(continuation, details):
        handler = await continuation(details)
        seen.append((details.method, entries(details.invocation_metadata), handler.request_streaming))
        return handler

    async with aio_serving(unary(echo), interceptors=(Doing(look),)) as served:
        await served.unary_unary(metadata=(("key", "value"), ("key-bin", b"\0")))
    assert seen == [(METHOD, [("key", "value"), ("key-bin", b"\0")], False)]


async def test_one_that_acts_on_some_metadata_only(aio_serving):
    notes = []
    noting = Noting("secret", notes)

    async def choose(continuation, details):
        if ("secret", "42") in details.invocation_metadata:
            return await noting.intercept_service(continuation, details)
        return await continuation(details)

    async with aio_serving(unary(echo), interceptors=(Doing(choose),)) as served:
        await served.unary_unary()
        assert notes == []
        await served.unary_unary(metadata=(("secret", "42"),))
        assert notes == ["secret before", "secret after"]


async def test_one_that_refuses(aio_serving):
    async def unauthenticated(request, context):
        await context.abort(StatusCode.UNAUTHENTICATED, "who are you?")

    async def refuse(continuation, details):
        return unary(unauthenticated)

    async with aio_serving(unary(echo), interceptors=(Doing(refuse),)) as served:
        assert outcome(await failed(served.unary_unary())) == (StatusCode.UNAUTHENTICATED, "who are you?")


async def test_one_that_wraps_the_handler(aio_serving):
    async def wrap(continuation, details):
        handler = await continuation(details)

        async def wrapped(request, context):
            context.set_trailing_metadata((("wrapped", "yes"),))
            return b"<" + await handler.unary_unary(request, context) + b">"

        return grpc.unary_unary_rpc_method_handler(wrapped, handler.request_deserializer, handler.response_serializer)

    async with aio_serving(unary(echo), interceptors=(Doing(wrap), Doing(wrap))) as served:
        call = served.unary_unary(b"x")
        assert await call == b"<<x>>"
        assert entries(await call.trailing_metadata()) == [("wrapped", "yes")]


async def test_one_that_wraps_a_stream(aio_serving):
    async def stream(request_iterator, context):
        async for request in request_iterator:
            yield request

    async def wrap(continuation, details):
        handler = await continuation(details)

        async def counted(request_iterator, context):
            async for request in request_iterator:
                yield b"in " + request

        async def wrapped(request_iterator, context):
            async for response in handler.stream_stream(counted(request_iterator, context), context):
                yield response + b" out"

        return grpc.stream_stream_rpc_method_handler(wrapped)

    async with aio_serving(grpc.stream_stream_rpc_method_handler(stream), interceptors=(Doing(wrap),)) as served:
        assert await received(served.stream_stream(iter([b"a", b"b"]))) == [b"in a out", b"in b out"]


async def test_one_that_finds_nothing(aio_serving):
    async def nothing(continuation, details):
        return None

    async with aio_serving(unary(echo), interceptors=(Doing(nothing),)) as served:
        assert outcome(await failed(served.unary_unary())) == (StatusCode.UNIMPLEMENTED, "Method not found!")


async def test_one_that_answers_for_a_method_that_is_not_there(aio_serving):
    async def fallback(continuation, details):
        return await continuation(details) or unary(echo)

    async with aio_serving(unary(echo), interceptors=(Doing(fallback),)) as served:
        assert await served.unary_unary(b"anywhere", "/some.Other/Method") == b"anywhere"


@pytest.mark.differs("grpcio takes details of its own class alone")
async def test_one_that_changes_where_the_call_goes(aio_serving):
    async def other(request, context):
        return b"other"

    async def redirect(continuation, details):
        class Details(grpc.HandlerCallDetails):
            method = "/test.Service/Other"
            invocation_metadata = details.invocation_metadata

        return await continuation(Details())

    handlers = {"Method": unary(echo), "Other": unary(other)}
    async with aio_serving(handlers, interceptors=(Doing(redirect),)) as served:
        assert await served.unary_unary() == b"other"


async def test_one_that_raises(aio_serving):
    async def broken(continuation, details):
        raise ValueError("in the interceptor")

    async with aio_serving(unary(echo), interceptors=(Doing(broken),)) as served:
        assert outcome(await failed(served.unary_unary())) == (
            StatusCode.UNKNOWN,
            "Unexpected <class 'ValueError'>: in the interceptor",
        )


async def test_what_is_no_interceptor(implementation_under_test):
    with pytest.raises(ValueError, match="ServerInterceptor"):
        implementation_under_test.aio_server(interceptors=(object(),))


async def test_a_context_variable_reaches_the_handler(aio_serving):
    async def sign_in(continuation, details):
        USER.set(dict(details.invocation_metadata)["user"])
        return await continuation(details)

    async def who(request, context):
        return USER.get().encode()

    async def who_streams(request, context):
        yield USER.get().encode()

    handlers = {"Who": unary(who), "Streams": grpc.unary_stream_rpc_method_handler(who_streams)}
    async with aio_serving(handlers, interceptors=(Doing(sign_in),)) as served:
        for user in ("ann", "bob"):
            assert await served.unary_unary(method="Who", metadata=(("user", user),)) == user.encode()
            assert await received(served.unary_stream(method="Streams", metadata=(("user", user),))) == [user.encode()]
    assert USER.get() == "nobody"


@pytest.mark.differs("grpcio runs synchronous handlers in threads without the call's context")
async def test_a_context_variable_reaches_a_synchronous_handler(aio_serving, pool):
    async def sign_in(continuation, details):
        USER.set("ann")
        return await continuation(details)

    async with aio_serving(
        unary(lambda request, context: USER.get().encode()), interceptors=(Doing(sign_in),), migration_thread_pool=pool
    ) as served:
        assert await served.unary_unary() == b"ann"
