"""What the parts of the kitchen-sink application have in common: routes, notes that tests read, gates that they open."""

import asyncio
import json
from collections import defaultdict
from urllib.parse import parse_qs

ROUTES = {}


def route(function):
    """Serves ``/its-name`` and all below."""
    ROUTES["/" + function.__name__.replace("_", "-")] = function
    return function


class Notes:
    """Lists under names, and waits until they are long enough."""

    def __init__(self):
        self._lists = defaultdict(list)
        self._waiting = []

    def add(self, name, value):
        self._lists[name].append(value)
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)

    def get(self, name):
        return self._lists[name]

    async def wait(self, name, count=1, timeout=10):
        async with asyncio.timeout(timeout):
            while len(self._lists[name]) < count:
                future = asyncio.get_running_loop().create_future()
                self._waiting.append(future)
                await future
        return self._lists[name]


NOTES = Notes()


def query(scope, key="name", default=""):
    return parse_qs(scope["query_string"].decode()).get(key, [default])[0]


def note(scope, value):
    NOTES.add(query(scope), value)


async def gate(scope):
    """Waits until the test opens the gate of this name."""
    await NOTES.wait("gate " + query(scope))


async def outcome(awaitable):
    """What an awaitable gives, as a note: its value, or the kinds of its exception."""
    try:
        return await awaitable
    except Exception as error:
        return [kind.__name__ for kind in type(error).__mro__ if kind not in (object, BaseException)] + [str(error)]


async def start(send, status=200, headers=()):
    await send({"type": "http.response.start", "status": status, "headers": headers})


async def body(send, data=b"", more=False):
    await send({"type": "http.response.body", "body": data, "more_body": more})


async def answer(send, data, status=200, headers=()):
    data = data if isinstance(data, bytes) else json.dumps(data).encode()
    await start(send, status, [(b"content-length", b"%d" % len(data)), *headers])
    await body(send, data)


@route
async def notes(scope, receive, send):
    try:
        await answer(send, await NOTES.wait(query(scope), int(query(scope, "count"))))
    except TimeoutError:
        await answer(send, NOTES.get(query(scope)), 504)


@route
async def go(scope, receive, send):
    NOTES.add("gate " + query(scope), True)
    await answer(send, b"")
