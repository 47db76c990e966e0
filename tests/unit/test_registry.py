"""The tasks of an app, by name."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from sending import recording_app

from kernelq import KernelQ, Task
from kernelq.kernel.errors import ConfigurationError
from kernelq.registry import replace_tasks


@pytest.fixture
def app() -> KernelQ:
    return recording_app()[0]


def test_a_task_is_named_by_its_module_and_function(app):
    @app.task
    def pack(): ...

    assert f"{__name__}.pack" == pack.name
    assert pack is app.tasks[pack.name]


def test_a_task_of_the_script_is_named_after_the_app_or_else_the_file(app, monkeypatch):
    """The worker that imports the same file by name knows it by the same name."""
    assert "tests.pack" == app.task_name("pack", "__main__")
    assert "shop.pack" == app.task_name("pack", "shop")

    monkeypatch.setattr(sys.modules["__main__"], "__file__", "/somewhere/shop.py", raising=False)
    assert "shop.pack" == KernelQ().task_name("pack", "__main__")


def test_two_functions_cannot_have_one_name(app):
    @app.task(name="pack")
    def one(): ...

    with pytest.raises(ConfigurationError, match=r"two tasks are named 'pack'.*@app\.task\(name="):

        @app.task(name="pack")
        def other(): ...


def test_a_module_that_is_loaded_again_replaces_its_tasks(app):
    def build():
        @app.task(name="pack")
        def pack(): ...

        return pack

    build()
    again = build()

    assert again is app.tasks["pack"]


def test_an_unknown_option_is_an_error_with_a_suggestion(app):
    with pytest.raises(TypeError, match="Did you mean 'max_retries'"):

        @app.task(max_retrys=3)
        def pack(): ...


def test_a_base_class_brings_its_own_options(app):
    class Base(Task[..., Any]):
        database = "default"

    @app.task(base=Base, database="other", bind=True)
    def pack(self):
        return self.database

    assert "other" == pack()


def test_a_class_is_a_task(app):
    """By instance or by class."""

    class Pack(Task[..., Any]):
        def run(self, order):
            return f"packed {order}"

    class Ship(Task[..., Any]):
        name = "ship"

        def run(self): ...

    packing = app.register_task(Pack())
    app.register_task(Ship)

    assert "packed 7" == packing(7)
    assert {f"{__name__}.Pack", "ship"} <= set(app.tasks)


def test_tasks_can_be_replaced_as_a_whole(app):
    """By others, also of the same name: whoever holds the mapping sees what there is now."""

    class Pack(Task[..., Any]):
        def run(self): ...

    app.register_task(Pack())
    held = app.tasks
    other = Pack()
    other.app, other.name = app, "other"

    replace_tasks(app, {"other": other})

    assert {"other": other} == dict(held)


def test_a_class_without_a_run_is_an_error(app):
    class Empty(Task[..., Any]):
        pass

    with pytest.raises(TypeError, match="`run`"):
        app.register_task(Empty)
