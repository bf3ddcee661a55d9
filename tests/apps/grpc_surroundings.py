"""Methods that show what a handler runs in: its task, and the context variables it sees."""

import asyncio
import contextvars
import json

import anyio

VARIABLE = contextvars.ContextVar("VARIABLE", default="unset")
CARRIED = contextvars.ContextVar("CARRIED", default="unset")
CARRIED.set("at the import")


async def Variable(request, context):
    before = VARIABLE.get()
    VARIABLE.set(request.decode())
    await asyncio.sleep(0)
    return f"{before} {VARIABLE.get()}".encode()


def VariableSync(request, context):
    before = VARIABLE.get()
    VARIABLE.set(request.decode())
    return f"{before} {VARIABLE.get()}".encode()


async def Carried(request, context):
    return CARRIED.get().encode()


def CarriedSync(request, context):
    return CARRIED.get().encode()


async def Structured(request, context):
    """Tasks, groups and timeouts in a servicer, before and after its first wait."""
    task = asyncio.current_task()
    facts = [task in asyncio.all_tasks()]
    async with asyncio.TaskGroup() as group:
        child = group.create_task(asyncio.sleep(0, "slept"))
    facts += [child.result(), asyncio.current_task() is task]
    try:
        async with asyncio.timeout(0.01):
            await asyncio.sleep(60)
    except TimeoutError:
        facts.append("in time")
    with anyio.move_on_after(0.01) as scope:
        await anyio.sleep(60)
    return json.dumps([*facts, scope.cancelled_caught]).encode()


SURROUNDINGS = {function.__name__: function for function in (Variable, VariableSync, Carried, CarriedSync, Structured)}
