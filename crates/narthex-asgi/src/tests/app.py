"""The application of threads.rs: it does what it is told, and notes what it got."""

import asyncio


class Planned:
    def __init__(self, acts, completes, listens):
        """`acts`: the size of each piece to send, or None where it receives; with `listens` a task of its own receives."""
        self.acts, self.completes, self.listens = acts, completes, listens
        self.got = b""
        self.got_all = False
        self.departed = False
        self.refused = False

    async def __call__(self, scope, receive, send):
        listener = asyncio.create_task(self.listen(receive)) if self.listens else None
        try:
            await self.answer(receive, send)
        except OSError:
            self.refused = True
        if self.completes or self.refused:
            # The exchange is over: everybody who receives must come to know.
            await (listener or self.listen(receive))
        elif listener:
            listener.cancel()

    async def answer(self, receive, send):
        await send({"type": "http.response.start", "status": 200})
        for number, size in enumerate(self.acts):
            if size is not None:
                body = bytes([number % 256]) * size
                await send({"type": "http.response.body", "body": body, "more_body": True})
            elif not (self.listens or self.got_all or self.departed):
                await self.receive(receive)
        if self.completes:
            await send({"type": "http.response.body"})

    async def listen(self, receive):
        while not self.departed:
            await self.receive(receive)

    async def receive(self, receive):
        message = await receive()
        if message["type"] == "http.disconnect":
            self.departed = True
        else:
            self.got += message["body"]
            self.got_all = not message["more_body"]
