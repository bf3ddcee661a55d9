"""What ``import narthex`` gives, and what it does not load."""

import subprocess
import sys

import narthex
import pytest


def test_client_disconnected_is_the_native_halfs_and_an_oserror():
    from narthex import ClientDisconnected, _native

    assert ClientDisconnected is _native.ClientDisconnected
    assert issubclass(ClientDisconnected, OSError)
    assert (ClientDisconnected.__module__, ClientDisconnected.__qualname__) == ("narthex", "ClientDisconnected")


def test_what_is_exported_exists_and_is_listed():
    for name in narthex.__all__:
        assert getattr(narthex, name)
    assert set(narthex.__all__) <= set(dir(narthex))


def test_what_does_not_exist_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'narthex' has no attribute 'nothing'"):
        _ = narthex.nothing


def test_import_loads_nothing_heavy():
    script = "import sys, narthex; print(*{'narthex._native', 'asyncio', 'importlib.metadata'}.intersection(sys.modules))"
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=20, text=True, check=True)
    assert ended.stdout == "\n"
