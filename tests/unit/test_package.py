"""What ``import narthex`` gives, and what it does not load."""

import ctypes
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


@pytest.mark.skipif(sys.version_info < (3, 13), reason="interpreters before 3.13 have no slot for it")
def test_a_free_threaded_interpreter_takes_its_gil_back():
    """The slot Py_mod_gil (4) of the module's definition is Py_MOD_GIL_USED (0)."""
    from narthex import _native

    class Slot(ctypes.Structure):
        _fields_ = (("slot", ctypes.c_int), ("value", ctypes.c_void_p))

    class Definition(ctypes.Structure):
        _fields_ = (("before", ctypes.c_void_p * 9), ("slots", ctypes.POINTER(Slot)))

    definition_of = ctypes.pythonapi.PyModule_GetDef
    definition_of.restype, definition_of.argtypes = ctypes.POINTER(Definition), [ctypes.py_object]
    slots = definition_of(_native).contents.slots
    values = {}
    for slot in slots:
        if slot.slot == 0:
            break
        values[slot.slot] = slot.value or 0
    assert values[4] == 0


def test_serving_without_servicers_does_not_load_grpc():
    loaded = "import sys, narthex.server; sys.exit('grpc' in sys.modules)"
    subprocess.run([sys.executable, "-c", loaded], check=True, timeout=60)
