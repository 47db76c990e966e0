"""From what is typed after -A to the app."""

from __future__ import annotations

import sys

import pytest

from kernelq.kernel.errors import ConfigurationError
from kernelq.loading import load_app

APP = "from kernelq import KernelQ\n{name} = KernelQ({main!r})\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder on the path; what is imported from it is forgotten."""
    before = set(sys.modules)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    yield tmp_path
    for name in set(sys.modules) - before:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def test_an_app_is_found_by_module_and_attribute(folder):
    (folder / "shop_one.py").write_text(APP.format(name="mine", main="one") + "class box: inner = mine\n")

    assert "one" == load_app("shop_one:mine").main
    assert "one" == load_app("shop_one:box.inner").main
    assert "one" == load_app("shop_one").main


def test_the_app_named_app_goes_before_others(folder):
    (folder / "shop_two.py").write_text(APP.format(name="first", main="first") + APP.format(name="app", main="app"))

    assert "app" == load_app("shop_two").main


@pytest.mark.parametrize("name", ["kernelq", "celery", "app"])
def test_a_package_has_it_in_a_module_of_its_own(folder, name):
    package = folder / f"shop_{name}"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / f"{name}.py").write_text(APP.format(name="anything", main=name))

    assert name == load_app(f"shop_{name}").main


def test_an_app_is_found_by_path(tmp_path, monkeypatch):
    """Its folder comes onto the path, so that the module can be imported by name afterwards."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    path = tmp_path / "shop_path.py"
    path.write_text(APP.format(name="app", main="path"))

    app = load_app(str(path))

    assert "path" == app.main
    assert app is load_app("shop_path:app")
    assert app is load_app(f"{path}:app")


def test_a_function_may_make_it(folder):
    (folder / "shop_made.py").write_text("from kernelq import KernelQ\ndef make(): return KernelQ('made')\n")

    assert "made" == load_app("shop_made:make").main


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("no_such_shop", "no module 'no_such_shop'"),
        ("shop_three:ap", "Did you mean 'app'"),
        ("shop_three:number", "int, not a KernelQ app"),
        ("shop_empty", "has no app"),
        ("/no/such/shop.py", "no file"),
        ("", "names no module"),
        (".shop", "names no module"),
    ],
)
def test_what_is_not_there_is_an_error(folder, name, words):
    (folder / "shop_three.py").write_text(APP.format(name="app", main="x") + "number = 3\n")
    (folder / "shop_empty.py").write_text("")

    with pytest.raises(ConfigurationError, match=words):
        load_app(name)


def test_what_the_module_fails_to_import_is_not_hidden(folder):
    (folder / "shop_broken.py").write_text("import no_such_library\n")

    with pytest.raises(ModuleNotFoundError, match="no_such_library"):
        load_app("shop_broken")


def test_what_the_module_raises_is_not_taken_for_a_bad_name(folder):
    """import_module raises a ValueError of its own, for an empty name."""
    (folder / "shop_picky.py").write_text("int('three')\n")

    with pytest.raises(ValueError, match="three"):
        load_app("shop_picky")
