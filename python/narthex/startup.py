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

_ASGI_ARGUMENTS: Final = 3


@dataclass(slots=True)
class Loaded:
    """What was found, as far as it was found."""

    app: Any | None = None
    registrar: Registrar = field(default_factory=Registrar)
    problems: list[Problem] = field(default_factory=list[Problem])


def load(options: Options, runner: asyncio.Runner) -> Loaded:
    """Imports the application and runs the ``--grpc`` callables, on the runner's loop where they are coroutine functions."""
    importer.prepare_path(options.app_dir)
    loaded = Loaded()
    if options.app is not None:
        try:
            loaded.app = _application(options.app, factory=options.factory)
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


def _application(target: str, *, factory: bool) -> Any:
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
    _check_application(app, where)
    return app


def _check_application(app: Any, where: str) -> None:
    if not callable(app):
        what = f"is no ASGI application: a {type(app).__name__} cannot be called"
        raise _problem(where, what, "Name an object that is called with scope, receive and send.")
    try:
        signature = inspect.signature(app)
    except (TypeError, ValueError):
        return
    if _takes(signature, _ASGI_ARGUMENTS):
        return
    if _takes(signature, 0):
        hint = "If it makes the application, add --factory. If it is a class, name an instance of it."
    elif _takes(signature, 2):
        hint = "It looks like WSGI; with Django, name the application of asgi.py, not of wsgi.py."
    elif _takes(signature, 1):
        hint = "It looks like ASGI 2; wrap it with asgiref.compatibility.guarantee_single_callable."
    else:
        hint = "Name an object that is called with scope, receive and send."
    raise _problem(where, f"is no ASGI 3 application: it cannot be called with three arguments {signature}", hint)


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
        raise _problem(where, f"a {type(register).__name__} cannot be called", "Name a function that takes the server.")
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
