"""Closing Django's connections around calls, with a real Django on SQLite.

Each case runs in a process of its own: Django's settings are the process's.
"""

import subprocess
import sys
import textwrap

import pytest

PREAMBLE = """
import asyncio, os, sys, threading
from narthex.django import connections as glue

assert glue.hooks() is None
import django
from django.conf import settings
assert glue.hooks() is None, "Django is imported but not configured"

settings.configure(DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": sys.argv[1], "CONN_MAX_AGE": @AGE@}})
django.setup()
from asgiref.sync import SyncToAsync, sync_to_async
from django import db

sync_hook, async_hook = glue.hooks()

def select():
    with db.connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return db.connection.connection

def is_open():
    return db.connection.connection is not None
"""


@pytest.fixture
def run(tmp_path):
    def execute(script, *, max_age="0"):
        text = PREAMBLE.replace("@AGE@", max_age) + textwrap.dedent(script)
        command = [sys.executable, "-W", "error", "-c", text, str(tmp_path / "db.sqlite3")]
        ended = subprocess.run(command, capture_output=True, timeout=30, text=True, check=False)
        assert ended.returncode == 0, ended.stderr
        return ended

    return execute


def test_sync_hook_closes_on_its_thread(run):
    run("""
        select()
        sync_hook()
        assert not is_open()
    """)


def test_sync_hook_leaves_other_threads_alone(run):
    run("""
        select()
        other = threading.Thread(target=sync_hook)
        other.start()
        other.join()
        assert is_open()
        db.connections.close_all()
    """)


def test_connection_that_may_live_on_does(run):
    run(
        """
        first = select()
        sync_hook()
        assert select() is first
        db.connections.close_all()
        """,
        max_age="60",
    )


def test_broken_connection_is_replaced_before_the_call(run):
    run(
        """
        first = select()
        db.connection.errors_occurred = True
        db.connection.is_usable = lambda: False
        sync_hook()
        assert select() is not first
        db.connections.close_all()
        """,
        max_age="None",
    )


def test_async_hook_closes_on_the_orm_thread_before_the_calls_own_work(run):
    run(
        """
        async def call():
            first = await sync_to_async(select)()
            def break_it():
                db.connection.errors_occurred = True
                db.connection.is_usable = lambda: False
            await sync_to_async(break_it)()
            async_hook()
            assert await sync_to_async(select)() is not first
            await sync_to_async(db.connections.close_all)()

        asyncio.run(call())
        """,
        max_age="None",
    )


def test_async_hook_after_the_call(run):
    run("""
        async def call():
            async_hook()
            await sync_to_async(select)()
            async_hook()
            assert not await sync_to_async(is_open)()

        asyncio.run(call())
    """)


def test_async_hook_starts_no_thread(run):
    run("""
        async def call():
            async_hook()
            async_hook()

        asyncio.run(call())
        assert threading.active_count() == 1
    """)


def test_closings_that_wait_are_one(run):
    run("""
        calls = []
        db.close_old_connections = lambda: calls.append(threading.current_thread() is threading.main_thread())

        async def call():
            gate = threading.Event()
            blocked = asyncio.ensure_future(sync_to_async(gate.wait)())
            await asyncio.sleep(0)
            for _ in range(5):
                async_hook()
            gate.set()
            await blocked
            await sync_to_async(int)()
            assert sorted(calls) == [False] + [True] * 5, calls
            async_hook()
            await sync_to_async(int)()
            assert calls.count(False) == 2

        asyncio.run(call())
    """)


def test_hooks_never_raise(run):
    ended = run("""
        def broken():
            raise db.OperationalError("gone")

        db.close_old_connections = broken
        sync_hook()
        async_hook()
    """)
    assert ended.stderr.count("Closing old database connections failed") == 2
    assert "OperationalError: gone" in ended.stderr


def test_connection_opened_at_start_up_is_closed_then(run):
    run("""
        select()
        glue.close_after_startup()
        assert not is_open()
    """)


def test_connection_that_a_coroutine_may_not_close_is_left(run):
    run("""
        select()

        async def call():
            async_hook()

        asyncio.run(call())
        db.connections.close_all()
    """)


def test_without_django_nothing_happens():
    script = "from narthex.django import connections as c; c.close_after_startup(); assert c.hooks() is None"
    script += "; import sys; assert 'django' not in sys.modules"
    subprocess.run([sys.executable, "-c", script], check=True, timeout=20)
