"""What has happened on the server, for a test to wait for."""

import asyncio
import collections


class Events:
    """What has happened, by name."""

    def __init__(self):
        self._events = collections.defaultdict(asyncio.Event)
        self._values = {}
        self.loop = None

    def note(self, name, value=None):
        self._values[name] = value
        self.loop.call_soon_threadsafe(self._events[name].set)

    async def wait(self, name):
        await self._events[name].wait()
        return self._values[name]
