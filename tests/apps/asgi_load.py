"""Much at once: memory, blocking handlers, the life of tasks."""

import asyncio
import ctypes
import sys
import time
from pathlib import Path

from asgi_common import NOTES, answer, body, gate, note, outcome, query, route, start


def memory():
    """The memory of this process that is in RAM, in MiB."""
    with open("/proc/self/statm") as statm:  # noqa: PTH123
        return int(statm.read().split()[1]) * 4096 / (1 << 20)


@route
async def rss(scope, receive, send):
    await answer(send, memory())


@route
async def stream(scope, receive, send):
    """Many pieces; notes how many it could send so far whenever it is asked to."""
    count, size = int(query(scope, "count")), int(query(scope, "size"))
    SENT[query(scope)] = 0
    await start(send)
    for _ in range(count):
        if failure := await outcome(body(send, bytes(size), True)):
            note(scope, failure)
            return
        SENT[query(scope)] += size
    await body(send)
    note(scope, "sent")


SENT = {}


@route
async def sent(scope, receive, send):
    """How much ``stream`` could send, once that no longer grows."""
    before, same = -1, 0
    while same < 5:
        await asyncio.sleep(0.02)
        now = SENT.get(query(scope), 0)
        same = same + 1 if now == before else 0
        before = now
    await answer(send, before)


IMPORTED = """
from pathlib import Path
path = Path(__file__).with_name("release")
path.with_suffix(".busy").touch()
while not path.exists():
    pass
"""


def hold(path):
    """C code that keeps the interpreter to itself, and says so, until there is something in the pipe."""
    command = f"touch {path.with_suffix('.busy')}; read -r _ < {path}; true"
    assert ctypes.PyDLL(None).system(command.encode()) == 0


@route
async def block(scope, receive, send):
    """Keeps Python busy, as no application should, until the file is there; makes one when it begins."""
    path, how = Path(query(scope, "file")), query(scope, "how")
    if how == "imports":
        path.with_name("blocking_import.py").write_text(IMPORTED)
        sys.path.insert(0, str(path.parent))
        sys.modules.pop("blocking_import", None)
        import blocking_import  # noqa: F401

        sys.path.remove(str(path.parent))
    elif how == "holds":
        hold(path)
    elif how == "holds-elsewhere":
        await asyncio.to_thread(hold, path)
    else:
        path.with_suffix(".busy").touch()
        while not path.exists():
            if how == "sleeps":
                time.sleep(0.001)
    await answer(send, b"blocked")


@route
async def slow(scope, receive, send):
    """Notes how many are here at once, and waits for the gate."""
    note(scope, len(NOTES.get(query(scope))))
    await gate(scope)
    await answer(send, query(scope, "number").encode())


@route
async def ordered(scope, receive, send):
    """Answers the sooner the larger its number, if it were not for the others."""
    number = int(query(scope, "number"))
    await asyncio.sleep(0.02 / (number + 1))
    await answer(send, b"%d" % number)
