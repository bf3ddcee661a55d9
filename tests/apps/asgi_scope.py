"""The scope, as Python writes it: types and all."""

import contextvars

from asgi_common import answer, query, route

VARIABLE = contextvars.ContextVar("VARIABLE", default="unset")


@route
async def scope(scope, receive, send):
    await answer(send, repr(scope).encode())


@route
async def state(scope, receive, send):
    """Replaces a value of its own state, and changes one that all requests share."""
    before = scope["state"]["color"]
    scope["state"]["color"] = query(scope)
    scope["state"]["numbers"].append(len(scope["state"]["numbers"]))
    await answer(send, [before, scope["state"]["numbers"]])


@route
async def variable(scope, receive, send):
    """The variable before this request set it."""
    before = VARIABLE.get()
    VARIABLE.set(query(scope))
    await answer(send, [before, VARIABLE.get()])


def sync(scope, receive, send):
    """Plain functions that return an awaitable are applications too; what they set is not the next request's."""
    before = VARIABLE.get()
    VARIABLE.set("set")
    return answer(send, [before, VARIABLE.get()])


class Awaitable:
    """An application may return anything that can be awaited."""

    def __init__(self, scope, receive, send):
        self.send = send

    def __await__(self):
        return answer(self.send, b"awaited").__await__()
