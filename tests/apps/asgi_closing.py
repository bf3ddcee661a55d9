"""An application that ends each connection."""

from asgi_common import body, start


async def app(scope, receive, send):
    assert scope["type"] == "http"
    await start(send, 200, [(b"connection", b"close"), (b"keep-alive", b"timeout=5")])
    await body(send, b"bye")
