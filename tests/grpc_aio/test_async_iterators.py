"""Responses from asynchronous iterators that are no generators: what is awaited, and what is closed, as ``async for`` would.

grpcio has no such handlers: it takes what a plain function returns for an ordinary iterator.
"""

import asyncio

import grpc
import grpc.aio
import pytest
from grpc import StatusCode
from grpc_servers import failed, received

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.usefixtures("one_loop"),
    pytest.mark.differs("a plain function's asynchronous iterator is read"),
]


class Numbers:
    """Gives two responses, and tells of its end; ``closing`` is what ``aclose`` raises."""

    def __init__(self, raises=StopAsyncIteration, closing=None):
        self.numbers = iter((b"1", b"2"))
        self.raises = raises
        self.closing = closing
        self.closed = asyncio.Event()

    def __aiter__(self):
        return self

    async def __anext__(self):
        for number in self.numbers:
            return number
        raise self.raises

    async def aclose(self):
        self.closed.set()
        if self.closing:
            raise self.closing


def handler_of(responses):
    return grpc.unary_stream_rpc_method_handler(lambda request, context: responses)


async def test_an_iterator_is_closed_at_its_end(aio_serving):
    numbers = Numbers()
    async with aio_serving(handler_of(numbers)) as served:
        assert await received(served.unary_stream()) == [b"1", b"2"]
        assert numbers.closed.is_set()


class Plain(Numbers):
    """Says that it has ended before there is anything to await."""

    def __anext__(self):
        for number in self.numbers:
            return asyncio.sleep(0, number)
        raise self.raises


async def test_an_iterator_that_ends_without_being_awaited(aio_serving):
    numbers = Plain()
    async with aio_serving(handler_of(numbers)) as served:
        assert await received(served.unary_stream()) == [b"1", b"2"]
        assert numbers.closed.is_set()


class Wrapped:
    """An iterable, as a library makes one around what it has opened: what is closed is the iterable."""

    def __init__(self, iterator, closing=None):
        self.iterator = iterator
        self.closing = closing
        self.closed = asyncio.Event()

    def __aiter__(self):
        return self.iterator.__aiter__()

    async def aclose(self):
        self.closed.set()
        if self.closing:
            raise self.closing


@pytest.mark.parametrize("raises", [StopAsyncIteration(), ValueError("boom")], ids=["ends", "raises"])
async def test_what_the_handler_returned_is_closed_as_is_its_iterator(aio_serving, raises):
    numbers = Numbers(raises)
    wrapped = Wrapped(numbers)
    async with aio_serving(handler_of(wrapped)) as served:
        call = served.unary_stream()
        assert [await call.read(), await call.read()] == [b"1", b"2"]
        assert await call.code() is (StatusCode.OK if isinstance(raises, StopAsyncIteration) else StatusCode.UNKNOWN)
        assert numbers.closed.is_set()
        assert wrapped.closed.is_set()


class Bare:
    """An awaitable's iterator that can be asked for its next step, and for nothing else."""

    def __init__(self, future):
        self.future = future

    def __iter__(self):
        return self

    def __next__(self):
        return next(self.future)


class Endless:
    """Its second response never comes, and is awaited by an iterator without ``throw`` and ``close``."""

    def __init__(self):
        self.count = 0
        self.waits = asyncio.Event()
        self.closed = asyncio.Event()

    def __aiter__(self):
        return self

    def __anext__(self):
        self.count += 1
        endless = self

        class Next:
            def __await__(self):
                if endless.count == 1:
                    return Returns(b"1")
                endless.waits.set()
                return Bare(iter(asyncio.get_running_loop().create_future()))

        return Next()

    async def aclose(self):
        self.closed.set()


class Returns:
    """Ends at once with a value."""

    def __init__(self, value):
        self.value = value

    def __iter__(self):
        return self

    def __next__(self):
        raise StopIteration(self.value)


async def test_a_wait_that_cannot_be_raised_in_is_cancelled(aio_serving, caplog):
    endless = Endless()
    async with aio_serving(handler_of(endless)) as served:
        call = served.unary_stream()
        assert await call.read() == b"1"
        await endless.waits.wait()
        call.cancel()
        # The exception is raised where it waits, and what there is to close is closed.
        await endless.closed.wait()
    assert "AttributeError" not in caplog.text


def logged(caplog):
    """The exception that was logged, and those it was raised after."""
    (record,) = [record for record in caplog.records if record.exc_info]
    error, chain = record.exc_info[1], []
    while error is not None:
        chain.append(f"{type(error).__name__}: {error}")
        error = error.__context__
    return chain


def not_awaitable():
    raise LookupError("not closed")


@pytest.mark.parametrize(
    ("numbers", "wrapped", "expect"),
    [
        ((ValueError("boom"), OSError("stuck")), None, ["OSError: stuck", "ValueError: boom"]),
        ((StopAsyncIteration(), OSError("stuck")), None, ["OSError: stuck"]),
        ((ValueError("boom"), OSError("stuck")), KeyError("lost"), ["KeyError: 'lost'", "OSError: stuck", "ValueError: boom"]),
        ((ValueError("boom"), not_awaitable), None, ["LookupError: not closed", "ValueError: boom"]),
    ],
    ids=["awaiting", "closing-alone", "both", "calling"],
)
async def test_what_closing_raises_is_told_of_with_what_came_before(aio_serving, caplog, numbers, wrapped, expect):
    raises, closing = numbers
    iterator = Numbers(raises, closing)
    if closing is not_awaitable:
        iterator.aclose = not_awaitable
    responses = Wrapped(iterator, wrapped) if wrapped else iterator
    with caplog.at_level("ERROR"):
        async with aio_serving(handler_of(responses)) as served:
            error = await failed(served.unary_stream())
    assert error.code() is StatusCode.UNKNOWN
    assert logged(caplog) == expect


async def test_contexts_that_are_known_are_kept(aio_serving, caplog):
    boom = ValueError("boom")

    class Handled(Numbers):
        async def aclose(self):
            try:
                raise LookupError("first")
            except LookupError:
                raise OSError("then")  # noqa: B904 - the context is what is tested

    class Again(Numbers):
        async def aclose(self):
            raise boom

    for responses, expect in [
        (Handled(boom), ["OSError: then", "LookupError: first", "ValueError: boom"]),
        (Again(boom), ["ValueError: boom"]),
    ]:
        caplog.clear()
        with caplog.at_level("ERROR"):
            async with aio_serving(handler_of(responses)) as served:
                await failed(served.unary_stream())
        assert logged(caplog) == expect
