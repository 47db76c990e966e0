"""Where settings come from."""

from __future__ import annotations

from types import ModuleType, SimpleNamespace

import pytest

from kernelq import KernelQ, sources
from kernelq.conf import Conf
from kernelq.kernel.discovery import Discovery
from kernelq.kernel.errors import BadSetting, ConfigurationError, UnknownSetting


@pytest.fixture
def app():
    return KernelQ("tests", discovery=Discovery(installed=False), task_default_queue="given")


@pytest.mark.parametrize(
    ("variable", "text", "wanted"),
    [
        ("KERNELQ_BROKER_URL", "memory://", "memory://"),
        ("KERNELQ_BROKER_CONNECTION_TIMEOUT", "2.5", 2.5),
        ("KERNELQ_TASK_MAX_DELIVERIES", "5", 5),
        ("KERNELQ_TASK_ALWAYS_EAGER", "true", True),
        ("KERNELQ_TASK_ACKS_LATE", "0", False),
        ("KERNELQ_RESULT_BACKEND", "", None),
        ("KERNELQ_IMPORTS", "one, two", ["one", "two"]),
        ("KERNELQ_ACCEPT_CONTENT", '["json", "yaml"]', ["json", "yaml"]),
        ("KERNELQ_TASK_ROUTES", '{"a.*": "other"}', {"a.*": "other"}),
        ("KERNELQ_WORKER_CONCURRENCY", "4", 4),
        ("KERNELQ_WORKER_CONCURRENCY", "auto", "auto"),
        ("KERNELQ_TIMEZONE", "UTC", "UTC"),
    ],
)
def test_the_environment_is_read_by_type(monkeypatch, app, variable, text, wanted):
    """`config explain` tells the variable."""
    monkeypatch.setenv(variable, text)
    name = variable.removeprefix("KERNELQ_").lower()

    assert wanted == getattr(app.conf, name)
    assert f"the environment, {variable}" == app.conf.source(name)


def test_an_unknown_variable_is_an_error_with_a_suggestion(monkeypatch, app):
    monkeypatch.setenv("KERNELQ_BROKER_ULR", "memory://")

    with pytest.raises(UnknownSetting, match="KERNELQ_BROKER_ULR.*Did you mean 'broker_url'"):
        app.conf  # noqa: B018 - it is read


@pytest.mark.parametrize("name", ["KERNELQ_APP", "KERNELQ_DEBUG", "KERNELQ__PRIVATE", "KERNELQ_TEST_REDIS_URL"])
def test_what_is_no_setting_is_passed_over(monkeypatch, app, name):
    monkeypatch.setenv(name, "whatever")

    assert "given" == app.conf.task_default_queue


@pytest.mark.parametrize(("name", "text"), [("TASK_MAX_DELIVERIES", "many"), ("TASK_ROUTES", "{")])
def test_a_value_of_the_wrong_type_is_an_error(monkeypatch, app, name, text):
    monkeypatch.setenv(f"KERNELQ_{name}", text)

    with pytest.raises(BadSetting, match=name):
        app.conf  # noqa: B018 - it is read


def test_the_environment_wins_over_arguments_and_code_over_the_environment(monkeypatch, app):
    """The last word is with what is written after."""
    monkeypatch.setenv("KERNELQ_TASK_DEFAULT_QUEUE", "environment")
    assert "environment" == app.conf.task_default_queue

    app.config_from_object({"task_default_queue": "object"})
    assert "environment" == app.conf.task_default_queue

    app.conf.task_default_queue = "code"
    assert "code" == app.conf.task_default_queue


def test_a_toml_file_is_read(tmp_path, app):
    """Flat, or in the table `kernelq`, or in `tool.kernelq` of a pyproject.toml."""
    for name, table in (("a.toml", ""), ("b.toml", "[kernelq]"), ("pyproject.toml", "[tool.kernelq]")):
        path = tmp_path / name
        path.write_text(f'{table}\ntask_default_queue = "{name}"\ntask_routes = {{ "a.*" = "x" }}\n')
        app.config_from_object(str(path))

        assert name == app.conf.task_default_queue
        assert f"the file {path}" == app.conf.source("task_default_queue")


def test_the_app_that_a_pyproject_names_is_no_setting(tmp_path):
    """`kernelq dev` reads it from the same table."""
    path = tmp_path / "pyproject.toml"
    path.write_text('[tool.kernelq]\napp = "shop:app"\ntimezone = "UTC"\n')

    assert {"timezone": "UTC"} == sources.from_file(path)


@pytest.mark.parametrize(("text", "wanted"), [(None, "cannot be read"), ("= 1", "is no TOML")])
def test_a_file_that_is_none_is_an_error(tmp_path, app, text, wanted):
    path = tmp_path / "settings.toml"
    if text is not None:
        path.write_text(text)

    with pytest.raises(ConfigurationError, match=wanted):
        app.config_from_object(str(path))


def test_a_module_is_read_by_name(tmp_path, monkeypatch, app):
    """Imports, functions, classes, capitals are passed over; other names must be settings."""
    (tmp_path / "celeryconfig_here.py").write_text(
        "import os\nfrom datetime import timedelta\nDEBUG = 1\ndef helper(): ...\nclass Router: ...\n"
        "broker_url = 'memory://'\ndef task_routes(*args, **kwargs): ...\n"
    )
    monkeypatch.syspath_prepend(tmp_path)

    app.config_from_object("celeryconfig_here")

    assert "memory://" == app.conf.broker_url
    assert "task_routes" == app.conf.task_routes.__name__
    assert "the module celeryconfig_here" == app.conf.source("broker_url")


def test_a_module_with_a_wrong_name_is_an_error():
    module = ModuleType("settings")
    module.brker_url = "x"  # type: ignore[attr-defined]  # that is the mistake

    with pytest.raises(UnknownSetting, match="broker_url"):
        Conf().update(sources.from_object(module, Conf()))


def test_a_namespace_takes_names_in_capitals(app):
    """As in Django's settings."""
    app.config_from_object(SimpleNamespace(CELERY_TASK_DEFAULT_QUEUE="django", SECRET=1), namespace="CELERY")

    assert "django" == app.conf.task_default_queue


def test_a_module_that_is_not_there_is_an_error(app):
    with pytest.raises(ConfigurationError, match="no module 'nowhere_at_all'"):
        app.config_from_object("nowhere_at_all")


def test_what_a_module_fails_to_import_is_not_hidden(tmp_path, monkeypatch, app):
    (tmp_path / "broken_settings.py").write_text("import no_such_library\n")
    monkeypatch.syspath_prepend(tmp_path)

    with pytest.raises(ModuleNotFoundError, match="no_such_library"):
        app.config_from_object("broken_settings")
