"""Settings: typed, named, and each value with its source."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import attrs
import pytest

from kernelq.kernel.errors import BadSetting, UnknownSetting
from kernelq.kernel.settings import Settings, setting


@attrs.define(slots=False, kw_only=True)
class Example(Settings):
    """Settings of every type."""

    broker_url: str = setting("sqlite:///kernelq.db", "Where messages go.", secret=True)
    worker_concurrency: int | None = setting(None, "Slots.", check=lambda n: "give 1 or more" if n < 1 else None)
    task_time_limit: float | None = setting(None, "Seconds.")
    worker_pool: Literal["auto", "solo"] = setting("auto", "Kind.")
    task_routes: dict[str, Any] = setting(dict, "Where tasks go.")
    enable_utc: bool = setting(True, "Use UTC.")
    on_start: Callable[[], None] | None = setting(None, "Called.")


@attrs.define
class Gates:
    """A plugin's section."""

    gate_size: int = setting(5, "How many run.")


def test_a_value_keeps_its_source() -> None:
    conf = Example()
    assert conf.source("worker_concurrency") == "default"
    conf.update({"worker_concurrency": 4}, source="environment")
    assert (conf.worker_concurrency, conf.source("worker_concurrency")) == (4, "environment")
    conf.worker_concurrency = 5
    assert conf.source("worker_concurrency") == "code"


def test_an_unknown_name_is_an_error_with_a_suggestion_and_changes_nothing() -> None:
    conf = Example()
    with pytest.raises(UnknownSetting, match=r"'worker_concurency' \(from a.toml\). Did you mean 'worker_concurrency'"):
        conf.update({"enable_utc": False, "worker_concurency": 4}, source="a.toml")
    assert conf.enable_utc is True


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("worker_concurrency", "4", "int | None"),
        ("worker_concurrency", True, "int | None"),
        ("task_time_limit", "1", "float | None"),
        ("worker_pool", "sola", "Literal"),
        ("task_routes", [], "dict"),
        ("enable_utc", 1, "bool"),
        ("task_time_limit", True, "float | None"),
        ("on_start", 1, "Callable"),
    ],
)
def test_a_wrong_type_is_an_error_that_says_what_is_wanted(name: str, value: object, wanted: str) -> None:
    with pytest.raises(BadSetting) as caught:
        Example().update({name: value}, source="code")
    assert wanted in str(caught.value)
    assert repr(value) in str(caught.value)


def test_an_int_is_good_for_a_float() -> None:
    conf = Example()
    conf.task_time_limit = 3
    assert conf.task_time_limit == 3


def test_a_check_tells_in_words_what_is_wrong() -> None:
    with pytest.raises(BadSetting, match="worker_concurrency .* is 0: give 1 or more"):
        Example().update({"worker_concurrency": 0}, source="code")


def test_a_secret_is_never_shown() -> None:
    conf = Example()
    conf.broker_url = "redis://:hunter2@host"
    assert "hunter2" not in repr(conf.as_dict()) + repr(conf)
    assert "hunter2" in repr(conf.as_dict(redact=False))
    with pytest.raises(BadSetting) as caught:
        conf.update({"broker_url": ["hunter2"]}, source="code")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("redis://user:hunter2@host/0", "redis://user:**@host/0"),
        ("redis://:hunter2@host:6379/0", "redis://:**@host:6379/0"),
        ("redis://user:hun@ter2/;hunter2@host/0", "redis://user:**@host/0"),
        ("redis://one:6379/0;redis://u:hunter2@two/0", "redis://one:6379/0;redis://u:**@two/0"),
        ("amqp://a:hunter2@one//;amqp://b:hunter2@two//", "amqp://a:**@one//;amqp://b:**@two//"),
        ("redis://host/0?ssl=1&password=hunter2&db=1", "redis://host/0?ssl=1&password=**&db=1"),
        ("redis://host:6379/0", "redis://host:6379/0"),
        ("sqlite:///C:/mail@home/kernelq.db", "sqlite:///C:/mail@home/kernelq.db"),
        ("hunter2", "********"),
        ("", ""),
    ],
)
def test_of_a_secret_url_only_the_password_is_hidden(value: str, expected: str) -> None:
    conf = Example()
    conf.broker_url = value
    assert expected == conf.as_dict()["broker_url"]


def test_a_secret_that_fails_its_check_is_not_shown_either() -> None:
    @attrs.define
    class Keys:
        """A section with a key."""

        signing_key: str = setting("", "The key.", secret=True, check=lambda key: "it is too short")

    conf = Example()
    conf.section(Keys)
    with pytest.raises(BadSetting, match=r"signing_key \(from code\) is '\*+': it is too short"):
        conf.update({"signing_key": "hunter2"}, source="code")


def test_two_instances_do_not_share_a_mutable_default() -> None:
    one, other = Example(), Example()
    one.task_routes["a"] = "b"
    assert other.task_routes == {}


def test_a_section_adds_names_of_a_plugin() -> None:
    conf = Example()
    section = conf.section(Gates)
    conf.update({"gate_size": 9}, source="code")
    assert section.gate_size == 9
    assert section is conf.section(Gates)
    assert "gate_size" in conf.names()


def test_a_section_may_not_take_a_name_that_exists() -> None:
    @attrs.define
    class Rude:
        """Takes a name of the core."""

        enable_utc: bool = setting(False, "Mine.")

    with pytest.raises(BadSetting, match="Rude declares 'enable_utc', which exists already"):
        Example().section(Rude)


def test_only_what_was_set_can_be_listed() -> None:
    conf = Example()
    conf.enable_utc = False
    assert conf.as_dict(changed=True) == {"enable_utc": False}
