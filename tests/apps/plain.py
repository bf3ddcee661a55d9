"""Small ASGI applications for the tests of the command."""

import asyncio
import json
import os
from pathlib import Path
from urllib.parse import parse_qs


async def app(scope, receive, send):
    """Answers with its scope as JSON; the path chooses what else happens."""
    if scope["type"] != "http":
        raise ValueError("only http")
    if scope["path"].endswith("/hold"):
        await hold(scope, send)
    elif scope["path"].endswith("/raise"):
        raise LookupError("the application's own fault")
    elif scope["path"].endswith("/block"):
        block(scope)
    else:
        await answer(send, json.dumps(scope, default=_text).encode(), b"application/json")


async def hold(scope, send):
    """Sends the head and a first piece, then the rest once the file named in the query exists."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"first ", "more_body": True})
    await appears(_file(scope))
    await send({"type": "http.response.body", "body": b"last"})


def block(scope):
    """Keeps the loop's own thread busy until the file exists, after making one that tells so."""
    path = _file(scope)
    path.with_suffix(".busy").touch()
    while not path.exists():
        pass


async def appears(path):
    while not path.exists():
        await asyncio.sleep(0.01)


async def answer(send, body, content_type=b"text/plain"):
    headers = [(b"content-type", content_type), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _file(scope):
    return Path(parse_qs(scope["query_string"].decode())["file"][0])


def _text(value):
    return value.decode("latin-1") if isinstance(value, bytes) else repr(value)


def factory():
    return app


class Lifespan:
    """Takes part in lifespan and writes what happens to the file that NX_EVENTS names."""

    def __init__(self, *, startup="complete", shutdown="complete"):
        self.outcome = {"startup": startup, "shutdown": shutdown}

    async def __call__(self, scope, receive, send):
        if scope["type"] != "lifespan":
            _tell(f"request {scope['path']}")
            await app(scope, receive, send)
            _tell(f"done {scope['path']}")
            return
        while True:
            what = (await receive())["type"].removeprefix("lifespan.")
            _tell(what)
            if self.outcome[what] == "hang":
                await asyncio.Event().wait()
            failed = self.outcome[what] == "failed"
            reply = {"type": f"lifespan.{what}.{self.outcome[what]}"}
            await send({**reply, "message": "the database is gone"} if failed else reply)
            if what == "shutdown":
                return


def _tell(event):
    if "NX_EVENTS" in os.environ:
        with Path(os.environ["NX_EVENTS"]).open("a") as events:
            events.write(event + "\n")


lifespan = Lifespan()
failing_startup = Lifespan(startup="failed")
failing_shutdown = Lifespan(shutdown="failed")
hanging_startup = Lifespan(startup="hang")
