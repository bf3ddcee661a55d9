"""Processes that handlers start: with a program, with multiprocessing, and by ``fork`` alone."""

import asyncio
import multiprocessing
import os
import subprocess
import sys
from pathlib import Path

from asgi_common import answer, query, route


def blocks(scope):
    """Holds the loop's thread as long as the test wants it, so that the standby drives when the fork comes."""
    if name := query(scope, "file"):
        path = Path(name)
        path.with_suffix(".busy").touch()
        while not path.exists():
            pass


async def ended(process):
    """The exit status of a child, once it has ended."""
    _, status = await asyncio.to_thread(os.waitpid, process, 0)
    return os.waitstatus_to_exitcode(status)


@route
async def fork(scope, receive, send):
    """Forks, and answers with the child's exit status; ``how`` says what the child does."""
    how = query(scope, "how")
    if query(scope, "later"):
        await asyncio.sleep(0)
    blocks(scope)
    process = os.fork()
    if process == 0:
        if how == "os-exit":
            os._exit(3)
        if how == "exits":
            sys.exit(3)
        if how == "exits-with-text":
            sys.exit("no")
        if how == "raises":
            raise ValueError("in the child")
        if how == "awaits":
            await asyncio.sleep(0)
            os._exit(99)  # Never: the child has no event loop to go back to.
        if how == "answers":
            await answer(send, b"from the child")
        return
    await answer(send, await ended(process))


@route
async def fork_often(scope, receive, send):
    statuses = set()
    for _ in range(int(query(scope, "count"))):
        process = os.fork()
        if process == 0:
            return
        statuses.add(await ended(process))
        await asyncio.sleep(0)
    await answer(send, sorted(statuses))


@route
async def fork_in_callback(scope, receive, send):
    """Not in the call, but in a callback that it has left with the loop."""
    forked = asyncio.get_running_loop().create_future()

    def callback():
        process = os.fork()
        if process == 0:
            sys.exit(4)
        forked.set_result(process)

    asyncio.get_running_loop().call_soon(callback)
    await answer(send, await ended(await forked))


def doubled(numbers, pipe):
    pipe.send([2 * number for number in numbers])
    pipe.close()


@route
async def processes(scope, receive, send):
    """``multiprocessing`` by fork, which runs its function in the midst of the handler."""
    blocks(scope)
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    process = context.Process(target=doubled, args=([1, 2], theirs))
    process.start()
    theirs.close()
    received = await asyncio.to_thread(ours.recv)
    await asyncio.to_thread(process.join)
    await answer(send, [received, process.exitcode])


@route
async def programs(scope, receive, send):
    blocks(scope)
    # One that Python forks for, since something has to run before the program.
    first = subprocess.run([sys.executable, "-c", "print(1)"], stdout=subprocess.PIPE, preexec_fn=os.getpid, check=True)
    second = await asyncio.create_subprocess_exec(sys.executable, "-c", "print(2)", stdout=subprocess.PIPE)
    output, _ = await second.communicate()
    await answer(send, first.stdout + output)
