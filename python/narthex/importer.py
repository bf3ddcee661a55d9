"""Finds ``module:attribute`` objects: the application and the callables that register services.

A mistyped name and a module that fails by itself are told apart: the first is a plain ``Problem`` with what may have been
meant, the second keeps the user's traceback.
"""

import difflib
import importlib
import pkgutil
import sys
from pathlib import Path, PurePath
from types import ModuleType
from typing import Any

from narthex.exceptions import Problem, StartupError, user_frames, user_traceback

_NAMES_SHOWN = 5


def prepare_path(app_dir: str) -> None:
    """Puts ``app_dir`` and the working folder at the front of the import path, in this order."""
    for folder in (str(Path.cwd()), str(Path(app_dir).absolute())):
        if folder in sys.path:
            sys.path.remove(folder)
        sys.path.insert(0, folder)
        # What was seen in it before may be old. importlib.invalidate_caches() loads importlib.metadata for that, and zipfile,
        # tempfile and email with it: a tenth of the memory that a server takes.
        sys.path_importer_cache.pop(folder, None)


def load(target: str, where: str) -> Any:
    """The object that ``target`` (``package.module:attribute.sub``) names; ``where`` is for the problem's first words.

    Raises:
        StartupError: with the one problem that there is.
    """
    module_name, colon, attribute = target.partition(":")
    if not colon or not all(part.isidentifier() for part in [*module_name.split("."), *attribute.split(".")]):
        raise StartupError([_wrong_form(module_name, attribute, where)])
    try:
        found: Any = _module(module_name, where)
    except _NoModuleError as error:
        # Only now: nothing forbids a module called py.
        is_file = module_name.endswith(".py")
        raise StartupError([_wrong_form(module_name, attribute, where) if is_file else error.problem]) from None
    path = module_name + ":"
    for name in attribute.split("."):
        try:
            found = getattr(found, name)
        except AttributeError:
            owner = path.rstrip(":.")
            hint = _attribute_hint(found, path, name)
            raise StartupError([Problem(where, f"{owner!r} has no attribute {name!r}", hint)]) from None
        path += name + "."
    return found


class _NoModuleError(Exception):
    """There is no such module, as opposed to one that fails."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.what)
        self.problem = problem


def _module(name: str, where: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        missing = error.name or name
        if user_frames(error) is None and (name + ".").startswith(missing + "."):
            raise _NoModuleError(_missing_module(name, missing, error, where)) from None
        raise StartupError([_failing_module(name, error, where)]) from error
    except (Exception, SystemExit) as error:
        raise StartupError([_failing_module(name, error, where)]) from error


def _missing_module(name: str, missing: str, error: ModuleNotFoundError, where: str) -> Problem:
    parent, _, last = missing.rpartition(".")
    if "is not a package" in str(error):
        return Problem(where, f"{parent!r} is a module, not a package, so there is no {missing!r}", "Check the dots.")
    known = _modules_in(parent)
    close = difflib.get_close_matches(last, known, n=1)
    if close:
        meant = ".".join(filter(None, [parent, close[0]])) + name.removeprefix(missing)
        return Problem(where, f"there is no module {missing!r}", f"Did you mean {meant!r}?")
    if parent:
        return Problem(where, f"there is no module {missing!r}", f"The package {parent!r} was found, but not {last!r}.")
    searched = " and ".join(_own_folders())
    hint = f"Check the spelling, or name the folder it lies in with --app-dir. Searched first: {searched}"
    return Problem(where, f"there is no module {missing!r}", hint)


def _failing_module(name: str, error: BaseException, where: str) -> Problem:
    kind = type(error).__name__
    said = str(error).splitlines()
    what = f"importing {name!r} failed: {kind}" + (f": {said[0]}" if said else "")
    return Problem(where, what, "Correct the module; this is what it raised:", user_traceback(error))


def _modules_in(parent: str) -> list[str]:
    """Names one could import below the package, or at top level from the folders that are the user's own."""
    folders: list[str] = list(getattr(sys.modules.get(parent), "__path__", ())) if parent else _own_folders()
    names = {module.name for module in pkgutil.iter_modules(folders)}
    for folder in filter(Path.is_dir, map(Path, folders)):
        names.update(entry.name for entry in folder.iterdir() if entry.name.isidentifier() and entry.is_dir())
    return sorted(names)


def _own_folders() -> list[str]:
    """What ``prepare_path`` put first: one folder or two; what may come second otherwise is Python's own archive."""
    return [folder for folder in sys.path[:2] if Path(folder).is_dir()]


def _wrong_form(module_name: str, attribute: str, where: str) -> Problem:
    return Problem(where, "is not of the form MODULE:ATTRIBUTE", _form_hint(module_name, attribute))


def _form_hint(module_name: str, attribute: str) -> str:
    if module_name.endswith(".py") or "/" in module_name:
        file = PurePath(module_name.removesuffix(".py"))
        attribute = attribute or "app"
        if file.is_absolute() or ".." in file.parts:
            hint = "Give the module's name, not its file, with its folder"
            return f"{hint}: --app-dir {file.parent} {file.name}:{attribute}"
        return f"Give the module's dotted name, not its file: {'.'.join(file.parts)}:{attribute}"
    if not attribute and module_name:
        return f"Name the object in the module after a colon, for example {module_name}:application"
    return "For example mysite.asgi:application"


def _attribute_hint(owner: object, path: str, name: str) -> str:
    public = [known for known in dir(owner) if not known.startswith("_")]
    close = difflib.get_close_matches(name, public, n=1)
    if close:
        return f"Did you mean {path + close[0]!r}?"
    own = [known for known in public if not isinstance(getattr(owner, known, None), ModuleType)]
    if not own:
        return "It defines no public name at all."
    more = ", ..." if len(own) > _NAMES_SHOWN else ""
    return "It has: " + ", ".join(own[:_NAMES_SHOWN]) + more
