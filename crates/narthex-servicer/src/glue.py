"""What the calls' native half needs and only Python can be: coroutine functions."""

from collections.abc import Awaitable, Callable
from typing import Any


async def completed(awaitable: Awaitable[Any]) -> Any:
    """Awaits anything: tasks are made of coroutines only."""
    return await awaitable


async def called(function: Callable[[Any], Any], argument: Any) -> Any:
    """A plain function as the continuation of an asynchronous interceptor."""
    return function(argument)
