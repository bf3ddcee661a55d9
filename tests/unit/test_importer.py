"""Finding ``module:attribute``."""

import sys

import pytest
from narthex import importer
from narthex.exceptions import StartupError


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An ``--app-dir`` with modules in it; the import state is as before afterwards."""
    files = {
        "nx_site/__init__.py": "",
        "nx_site/asgi.py": (
            "class Holder:\n    app = staticmethod(lambda: 'inner')\n\napplication = 'the application'\nholder = Holder()\n"
        ),
        "nx_site/broken.py": "def helper():\n    raise ValueError('no luck')\n\nhelper()\n",
        "nx_site/needs.py": "import nx_not_installed\n",
        "nx_site/needs_sibling.py": "from nx_site.nothing import x\n",
        "nx_site/leaves.py": "import sys\nsys.exit('bye')\n",
        "nx_site/wrong.py": "def f(:\n",
        "nx_plain.py": "value = 1\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(sys, "path", list(sys.path))
    importer.prepare_path(str(tmp_path))
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith("nx_")]:
        del sys.modules[name]


def problem(target):
    with pytest.raises(StartupError) as caught:
        importer.load(target, f"APP {target}")
    (only,) = caught.value.problems
    assert only.where == f"APP {target}"
    assert only.hint
    return only


@pytest.mark.usefixtures("folder")
class TestLoad:
    def test_attribute(self):
        assert importer.load("nx_site.asgi:application", "APP") == "the application"

    def test_module_that_is_called_py(self, folder):
        (folder / "nx_site" / "py.py").write_text("app = 'the application'\n")
        assert importer.load("nx_site.py:app", "APP") == "the application"

    def test_attribute_of_an_attribute(self):
        assert importer.load("nx_site.asgi:holder.app", "APP")() == "inner"

    @pytest.mark.parametrize(
        ("target", "hint"),
        [
            ("nx_site.asgi", "nx_site.asgi:application"),
            ("nx_site/asgi.py:app", "not its file: nx_site.asgi:app"),
            ("./nx_site/asgi.py:app", "not its file: nx_site.asgi:app"),
            ("nx_plain.py:app", "not its file: nx_plain:app"),
            ("nx_plain.py", "not its file: nx_plain:app"),
            ("nx_typo.py:app", "not its file: nx_typo:app"),
            ("nx_site.asgi.py:app", "not its file: nx_site.asgi:app"),
            ("/srv/site/nx_plain.py:app", "with its folder: --app-dir /srv/site nx_plain:app"),
            ("../nx_plain.py:app", "with its folder: --app-dir .. nx_plain:app"),
            ("nx_site.asgi:", "nx_site.asgi:application"),
            (":application", "mysite.asgi:application"),
            ("", "mysite.asgi:application"),
            ("nx_site.asgi:a b", "mysite.asgi:application"),
            (".asgi:application", "mysite.asgi:application"),
        ],
    )
    def test_wrong_form(self, target, hint):
        found = problem(target)
        assert found.what == "is not of the form MODULE:ATTRIBUTE"
        assert hint in found.hint
        assert not found.traceback

    @pytest.mark.parametrize(
        ("target", "missing", "hint"),
        [
            ("nx_site.agsi:application", "nx_site.agsi", "'nx_site.asgi'"),
            ("nx_sight.asgi:application", "nx_sight", "'nx_site.asgi'"),
            ("nx_site.zzz:application", "nx_site.zzz", "'nx_site' was found"),
            ("qqqqqqq.asgi:application", "qqqqqqq", "--app-dir"),
        ],
    )
    def test_missing_module(self, target, missing, hint):
        found = problem(target)
        assert found.what == f"there is no module {missing!r}"
        assert hint in found.hint
        assert not found.traceback

    def test_module_that_is_no_package(self):
        found = problem("nx_plain.sub:x")
        assert "not a package" in found.what
        assert not found.traceback

    @pytest.mark.parametrize(
        ("target", "hint"),
        [
            ("nx_site.asgi:aplication", "Did you mean 'nx_site.asgi:application'?"),
            ("nx_site.asgi:holder.ap", "Did you mean 'nx_site.asgi:holder.app'?"),
            ("nx_site.asgi:zzz", "It has: Holder, application, holder"),
            ("nx_site:zzz", "no public name"),
        ],
    )
    def test_missing_attribute(self, target, hint):
        found = problem(target)
        assert "has no attribute" in found.what
        assert hint in found.hint
        assert not found.traceback

    def test_module_that_raises_keeps_the_users_frames_only(self):
        found = problem("nx_site.broken:app")
        assert found.what == "importing 'nx_site.broken' failed: ValueError: no luck"
        assert "broken.py" in found.traceback
        assert "in helper" in found.traceback
        assert "importer.py" not in found.traceback
        assert "importlib" not in found.traceback

    @pytest.mark.parametrize(
        ("module", "said"),
        [
            ("nx_site.needs", "No module named 'nx_not_installed'"),
            ("nx_site.needs_sibling", "No module named 'nx_site.nothing'"),
            ("nx_site.leaves", "SystemExit: bye"),
            ("nx_site.wrong", "SyntaxError"),
        ],
    )
    def test_module_whose_own_import_fails_is_not_missing(self, module, said):
        found = problem(f"{module}:app")
        assert found.what.startswith(f"importing {module!r} failed")
        assert said in found.what
        assert module.rpartition(".")[2] + ".py" in found.traceback


def test_path_has_the_app_dir_before_the_working_folder(tmp_path, monkeypatch):
    (tmp_path / "app").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["/somewhere", str(tmp_path)])
    importer.prepare_path("app")
    assert sys.path == [str(tmp_path / "app"), str(tmp_path), "/somewhere"]


def test_missing_module_with_a_missing_app_dir(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    importer.prepare_path(str(tmp_path / "nosuch"))
    assert problem("qqqqqqq:x").what == "there is no module 'qqqqqqq'"
