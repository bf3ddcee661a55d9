"""The exceptions of a servicer's context."""

import importlib
import sys

from grpc import aio
from narthex.grpc import errors


def test_they_are_those_of_grpc():
    assert errors.AbortError is aio.AbortError
    assert errors.UsageError is aio.UsageError
    assert errors.BaseError is aio.BaseError


def test_without_grpc_there_are_our_own(monkeypatch):
    monkeypatch.setitem(sys.modules, "grpc", None)
    monkeypatch.setitem(sys.modules, "grpc.aio", None)
    monkeypatch.delitem(sys.modules, "narthex.grpc.errors")
    own = importlib.import_module("narthex.grpc.errors")
    assert issubclass(own.AbortError, own.BaseError)
    assert not issubclass(own.AbortError, aio.BaseError)
    # The package's attribute is the last one imported.
    monkeypatch.setattr("narthex.grpc.errors", errors)
