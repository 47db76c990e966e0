"""The settings of an app."""

from __future__ import annotations

import attrs
import pytest
from celery.app.defaults import DEFAULTS

from kernelq.conf import Conf
from kernelq.kernel.errors import BadSetting, UnknownSetting

OWN = {
    "max_message_bytes", "max_decompressed_bytes", "task_max_deliveries", "task_unknown_ttl", "worker_shutdown_timeout",
    "result_backend_max_retries",
}  # fmt: skip
"""Settings that Celery has not, or with another type."""
OTHERWISE = {
    "broker_url", "result_backend", "task_acks_late", "worker_pool", "worker_log_format", "worker_task_log_format",
    "worker_hijack_root_logger", "broker_connection_max_retries", "result_expires", "control_queue_exclusive",
}  # fmt: skip
"""Settings whose default is another on purpose."""


def test_defaults_are_celerys_where_they_are_not_another_on_purpose():
    """A project that moves here finds what it left."""
    conf = Conf()
    shared = set(conf.names()) & set(DEFAULTS) - OTHERWISE - OWN

    def plain(value):
        return list(value) if isinstance(value, tuple | list) else value

    assert {} == {name: getattr(conf, name) for name in shared if plain(DEFAULTS[name]) != plain(getattr(conf, name))}
    assert len(shared) > 40


def test_every_setting_says_what_it_means():
    """In a sentence; numbers of seconds say so."""
    for field in attrs.fields(Conf):
        if "doc" in field.metadata:
            assert len(field.metadata["doc"]) > 10, field.name
        if field.name.endswith(("_timeout", "_ttl", "_wait", "_expires", "time_limit")) and "doc" in field.metadata:
            assert "second" in field.metadata["doc"], field.name


def test_a_wrong_name_is_an_error_with_a_suggestion():
    with pytest.raises(UnknownSetting, match="Did you mean 'task_routes'"):
        Conf().update(task_rotes={})


@pytest.mark.parametrize(
    "wrong",
    [
        {"task_default_priority": 10},
        {"broker_connection_timeout": 0},
        {"worker_concurrency": "many"},
        {"task_always_eager": "yes"},
        {"broker_url": None},
    ],
    ids=str,
)
def test_a_wrong_value_is_an_error_and_changes_nothing(wrong):
    conf = Conf()
    before = conf.as_dict(redact=False)

    with pytest.raises(BadSetting):
        conf.update({"timezone": "UTC", **wrong})

    assert before == conf.as_dict(redact=False)


def test_what_was_computed_from_the_settings_can_tell_that_it_is_stale():
    conf = Conf()
    version = conf.version

    conf.task_default_queue = "other"

    assert version < conf.version


def test_each_app_has_mappings_of_its_own():
    first, second = Conf(), Conf()
    first.task_publish_retry_policy["max_retries"] = 9

    assert 3 == second.task_publish_retry_policy["max_retries"]


def test_passwords_in_urls_are_not_shown():
    """What is left tells which broker it is."""
    conf = Conf()
    conf.update(broker_url="redis://:hunter2@host")

    assert "hunter2" not in str(conf.as_dict())
    assert "broker_url = redis://:**@host\n" in conf.explain("broker_url")


def test_explain_tells_value_source_default_type_and_meaning():
    conf = Conf()
    conf.update({"worker_concurrency": 4}, source="kernelq.toml")

    assert [
        "worker_concurrency = 4",
        "  from: kernelq.toml",
        "  default: None",
        "  type: int | str | None",
        '  how many tasks run at a time; None or "auto": what is usual for the pool, else the number of cores',
    ] == conf.explain("worker_concurrency").splitlines()
    with pytest.raises(UnknownSetting, match="Did you mean 'worker_concurrency'"):
        conf.explain("worker_concurency")


def test_explain_makes_a_fresh_default():
    assert "task_publish_retry_policy = {'max_retries'" in Conf().explain("task_publish_retry_policy")


def test_settings_that_the_worker_takes_as_options_are_listed():
    """With the section that holds the value, so that it can be read there."""
    conf = Conf()
    spelled = {field.name: (section, field.metadata["option"]) for section, field in conf.options()}

    assert (conf, "-c/--concurrency=N") == spelled["worker_concurrency"]
    assert "timezone" not in spelled


def test_no_value_is_shown_where_the_whole_is_printed():
    """Passwords may be in more of them than in those that are known as secrets."""
    conf = Conf()
    conf.broker_transport_options = {"sentinel_kwargs": {"password": "hunter2"}}

    assert "hunter2" not in repr(conf)
