"""The app that Flower loads."""

from __future__ import annotations

import importlib
import sys

import pytest

from kernelq import KernelQ
from kernelq.compat import flower
from kernelq.kernel.errors import ConfigurationError


@pytest.fixture
def app():
    """An app with a task."""
    made = KernelQ("garden", broker="redis://127.0.0.1:6379/9", backend="redis://127.0.0.1:6379/8")

    @made.task(name="garden.add", rate_limit="3/m")
    def add(a, b):
        return a + b

    return made


def test_it_has_the_broker_the_store_and_the_tasks(app):
    """Those of the KernelQ app; settings too."""
    app.conf.update({"task_default_queue": "roses", "broker_transport_options": {"global_keyprefix": "g:"}}, "test")

    made = flower.celery_app(app)

    assert "redis://127.0.0.1:6379/9" == made.conf.broker_url
    assert "redis://127.0.0.1:6379/8" == made.conf.result_backend
    assert "roses" == made.conf.task_default_queue
    assert {"global_keyprefix": "g:"} == made.conf.broker_transport_options
    assert "3/m" == made.tasks["garden.add"].rate_limit


def test_what_is_the_workers_stays_there(app):
    """Flower imports no module of tasks, and runs nothing itself."""
    app.conf.update({"include": ["not.there"], "task_always_eager": True}, "test")

    made = flower.celery_app(app)

    assert [(), False] == [tuple(made.conf.include), made.conf.task_always_eager]


def test_a_stand_in_does_not_run(app):
    """It says who does."""
    with pytest.raises(NotImplementedError, match="garden.add runs in KernelQ's workers"):
        flower.celery_app(app).tasks["garden.add"](1, 2)


def test_a_broker_that_flower_cannot_watch_is_refused():
    """In words."""
    with pytest.raises(ConfigurationError, match="Flower watches Redis and RabbitMQ; .* is sqlite://"):
        flower.celery_app(KernelQ("garden", broker="sqlite:///garden.db"))


def test_the_app_is_named_by_the_environment(app, tmp_path, monkeypatch):
    """As `kernelq -A` takes it; it is made once."""
    (tmp_path / "flower_garden.py").write_text("from kernelq import KernelQ\nkq = KernelQ('x', broker='redis://h')\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("KERNELQ_APP", "flower_garden:kq")
    fresh = importlib.reload(flower)
    monkeypatch.delitem(sys.modules, "flower_garden", raising=False)

    assert "redis://h" == fresh.app.conf.broker_url
    assert fresh.app is fresh.app
    del fresh.app


def test_with_no_app_named_it_says_what_to_type(monkeypatch):
    """Before Celery says anything."""
    monkeypatch.delenv("KERNELQ_APP", raising=False)
    with pytest.raises(ConfigurationError, match="KERNELQ_APP=module:attribute celery -A kernelq.compat.flower flower"):
        _ = flower.app
