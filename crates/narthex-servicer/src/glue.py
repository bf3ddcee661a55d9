"""What the calls' native half needs and only Python can be: coroutine functions."""

from collections.abc import AsyncIterable, Awaitable, Callable
from typing import Any


async def completed(awaitable: Awaitable[Any]) -> Any:
    """Awaits anything: tasks are made of coroutines only."""
    return await awaitable


async def called(function: Callable[[Any], Any], argument: Any) -> Any:
    """A plain function as the continuation of an asynchronous interceptor."""
    return function(argument)


async def streamed(responses: AsyncIterable[Any], write: Callable[[Any], Awaitable[None]]) -> None:
    """Writes each response that an asynchronous iterator gives; one that is not taken to its end is closed."""
    try:
        async for response in responses:
            await write(response)
    finally:
        close = getattr(responses, "aclose", None)
        if close is not None:
            await close()
