"""The kitchen-sink ASGI application: one small function for each thing that a test looks at, by path."""

import asgi_departures
import asgi_fork
import asgi_libraries
import asgi_load
import asgi_receive
import asgi_scope
import asgi_send
from asgi_common import ROUTES, answer

__all__ = ["app", "asgi_departures", "asgi_fork", "asgi_libraries", "asgi_load", "asgi_receive", "asgi_scope", "asgi_send"]


async def app(scope, receive, send):
    """Takes part in lifespan only as far as to say that it is up."""
    if scope["type"] == "lifespan":
        scope["state"]["numbers"] = []
        scope["state"]["color"] = "blue"
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    path = scope["path"].removeprefix(scope["root_path"])
    handler = ROUTES.get("/" + path[1:].partition("/")[0])
    if handler is None:
        await answer(send, path.encode(), 404)
    else:
        await handler(scope, receive, send)
