"""Closes Django's database connections around gRPC calls, as Django itself does around requests.

Without it a servicer would keep a connection for ever: one that the database has closed would fail every call from then on.
Django keeps connections per thread, so the hooks run on the thread whose connections they mean:

* a sync method runs on a lane, and so does its hook;
* an async method runs on the event loop's thread, but its ORM work (``aget``, ``sync_to_async``) goes to the one thread that
  asgiref keeps for everything outside a request. The hook sends the closing there too. That thread takes its work in order,
  so what is sent before the call is done before the call's own work, without the loop waiting for it.

Not here: requests to the application, whose connections Django's own signals look after.
"""

import importlib
import sys
from collections.abc import Callable
from typing import Any, Final

from narthex.logs import ERRORS

Hook = Callable[[], None]


def hooks() -> tuple[Hook, Hook] | None:
    """What to call before and after each call of a sync and of an async method; None in a process without Django.

    Both take nothing, never raise, and are called on the thread on which the method runs.
    """
    return (close_here, close_for_async) if _django_is_in_use() else None


def close_here() -> None:
    """Runs ``django.db.close_old_connections`` on this thread."""
    try:
        _close_old_connections()
    except Exception:  # A call is not to fail because of the connection of an earlier one.
        ERRORS.exception("Closing old database connections failed")


def close_for_async() -> None:
    """Runs it for a coroutine: here, and on the thread that asgiref runs the coroutine's ORM work on, if there is one yet."""
    forbidden: type[Exception] = _module("django.core.exceptions").SynchronousOnlyOperation
    try:
        _close_old_connections()
    except forbidden:
        # A connection was opened on the loop's thread before the loop ran. No coroutine can use it, nor close it.
        pass
    except Exception:
        ERRORS.exception("Closing old database connections failed")
    _orm_thread.close()


def close_after_startup() -> None:
    """Closes what importing the application opened on the main thread, while no loop runs that would forbid it."""
    if _django_is_in_use():
        try:
            _module("django.db").connections.close_all()
        except Exception:
            ERRORS.exception("Closing the database connections of the start-up failed")


def _close_old_connections() -> None:
    # Looked up at each call: tests replace it.
    _module("django.db").close_old_connections()


def _module(name: str) -> Any:
    """The user's Django, which has no types to check against."""
    return importlib.import_module(name)


def _django_is_in_use() -> bool:
    conf: Any = sys.modules.get("django.conf")
    return conf is not None and bool(conf.settings.configured)


class _OrmThread:
    """The thread on which asgiref runs thread-sensitive work outside a request."""

    def __init__(self) -> None:
        self._waiting = False

    def close(self) -> None:
        """Sends the closing to the thread, unless it has not been started or one still waits there.

        One that waits is enough: it runs after all work sent until now and before all that is sent from now on. It takes
        itself off the list before it looks at a connection, so none is missed.
        """
        asgiref_sync: Any = sys.modules.get("asgiref.sync")
        if self._waiting or asgiref_sync is None:
            return
        executor: Any = asgiref_sync.SyncToAsync.single_thread_executor
        # ThreadPoolExecutor does not tell publicly whether it has started a thread. Sending work would start one.
        if not executor._threads:
            return
        self._waiting = True
        try:
            executor.submit(self._run)
        except RuntimeError:  # Shut down: the interpreter is on its way out.
            self._waiting = False

    def _run(self) -> None:
        self._waiting = False
        close_here()


_orm_thread: Final = _OrmThread()
