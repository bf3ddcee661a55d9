"""Loads what is to be served: the application, then the services, and collects everything that is wrong with them.

The order is a promise: the application first, so that Django's models can be imported by the modules of the servicers.
"""

import asyncio
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from narthex import importer
from narthex.config import Options
from narthex.exceptions import Problem, StartupError, user_frames, user_place, user_traceback
from narthex.grpc.registrar import Registrar, RegistrationError
from narthex.logs import LOGGER

_ARGUMENTS: Final = {"asgi": 3, "wsgi": 2}
_CALLED_WITH: Final = {"asgi": "scope, receive and send", "wsgi": "environ and start_response"}


@dataclass(slots=True)
class Loaded:
    """What was found, as far as it was found."""

    app: Any | None = None
    wsgi: bool = False
    """It is called as WSGI has it, not as ASGI."""
    registrar: Registrar = field(default_factory=Registrar)
    problems: list[Problem] = field(default_factory=list[Problem])


def load(options: Options, runner: asyncio.Runner) -> Loaded:
    """Imports the application and runs the ``--grpc`` callables, on the runner's loop where they are coroutine functions."""
    importer.prepare_path(options.app_dir)
    loaded = Loaded()
    if options.app is not None:
        try:
            loaded.app, interface = _application(options.app, options.interface, factory=options.factory)
            loaded.wsgi = interface == "wsgi"
        except StartupError as error:
            loaded.problems += error.problems
    app_failed = bool(loaded.problems)
    for target in options.grpc:
        try:
            _register(target, loaded.registrar, runner)
        except StartupError as error:
            loaded.problems += [_blame_app(problem) if app_failed else problem for problem in error.problems]
    loaded.registrar.seal()
    loaded.problems += loaded.registrar.problems()
    return loaded


def _application(target: str, interface: str, *, factory: bool) -> tuple[Any, str]:
    """The application and its interface, if that is ``auto`` by how it can be called."""
    where = f"APP {target}"
    app = importer.load(target, where)
    if factory:
        if not callable(app):
            raise _problem(where, "is not callable, so it is no factory", "Leave --factory out if it is the application.")
        try:
            app = app()
        except (Exception, SystemExit) as error:
            raise _raised(where, "the factory", error) from error
        if inspect.iscoroutine(app):
            app.close()
            raise _problem(where, "is a coroutine function", "Make it a plain function that returns the application.")
    return app, _interface(app, interface, where)


def _interface(app: Any, interface: str, where: str) -> str:
    """``asgi`` or ``wsgi``; what does not tell is ASGI unless the user has said something else."""
    expected = _CALLED_WITH.get(interface) or f"{_CALLED_WITH['asgi']} (ASGI), or {_CALLED_WITH['wsgi']} (WSGI)"
    hint = f"Name an object that is called with {expected}."
    if not callable(app):
        raise _problem(where, f"is no application: an object of type {type(app).__name__} cannot be called", hint)
    candidates = list(_ARGUMENTS) if interface == "auto" else [interface]
    try:
        signature = inspect.signature(app)
    except (TypeError, ValueError):
        return candidates[0]
    fitting = [candidate for candidate in candidates if _takes(signature, _ARGUMENTS[candidate])]
    if len(fitting) > 1:
        return _told_by_name(app, signature, where)
    if fitting:
        return fitting[0]
    if _takes(signature, 0):
        hint = "If it makes the application, add --factory. If it is a class, name an instance of it."
    elif _takes(signature, 1):
        hint = "It looks like ASGI 2; wrap it with asgiref.compatibility.guarantee_single_callable."
    elif interface != "auto":
        hint += " Without --interface it is told by the arguments."
    counts = " or ".join({2: "two", 3: "three"}[_ARGUMENTS[candidate]] for candidate in candidates)
    raise _problem(where, f"is no application: it cannot be called with {counts} arguments {signature}", hint)


def _told_by_name(app: Any, signature: inspect.Signature, where: str) -> str:
    """Tells by more than the number of its arguments what can be called as ASGI and as WSGI has it."""
    if inspect.iscoroutinefunction(app) or inspect.iscoroutinefunction(type(app).__call__):
        return "asgi"
    first = next(iter(signature.parameters), "")
    if first in ("environ", "env"):
        return "wsgi"
    if first != "scope":
        LOGGER.info("%s can be called as ASGI and as WSGI have it; it is taken for ASGI (--interface wsgi is otherwise)", where)
    return "asgi"


def _takes(signature: inspect.Signature, count: int) -> bool:
    try:
        signature.bind(*range(count))
    except TypeError:
        return False
    return True


def _register(target: str, registrar: Registrar, runner: asyncio.Runner) -> None:
    where = f"--grpc {target}"
    register: Callable[[Registrar], Any] = importer.load(target, where)
    if not callable(register):
        what = f"an object of type {type(register).__name__} cannot be called"
        raise _problem(where, what, "Name a function that takes the server.")
    registrar.register_for(target)
    try:
        returned = register(registrar)
        if inspect.isawaitable(returned):
            runner.run(_wait_for(returned))
    except RegistrationError as error:
        # Its words say what to change; a traceback would end in Narthex's own code.
        place = user_place(error)
        raise _problem(where, str(error), f"The call is {place}." if place else "Correct the callable.") from error
    except (Exception, SystemExit) as error:
        raise _raised(where, "the callable", error) from error


async def _wait_for(awaitable: Any) -> None:
    await awaitable


def _problem(where: str, what: str, hint: str) -> StartupError:
    return StartupError([Problem(where, what, hint)])


def _raised(where: str, who: str, error: BaseException) -> StartupError:
    said = str(error).splitlines()
    what = f"{who} raised {type(error).__name__}" + (f": {said[0]}" if said else "")
    if user_frames(error) is None:
        return _problem(where, what, "Is it called with the right arguments?")
    return StartupError([Problem(where, what, "Correct it; this is what it raised:", user_traceback(error))])


def _blame_app(problem: Problem) -> Problem:
    if not problem.traceback:
        return problem
    hint = f"APP could not be loaded before it, which may be the reason. {problem.hint}"
    return Problem(problem.where, problem.what, hint, problem.traceback)
