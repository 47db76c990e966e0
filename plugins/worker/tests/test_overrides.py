"""Settings as words on the command line."""

from __future__ import annotations

import pytest

from kernelq.conf import Conf
from kernelq.kernel.errors import BadSetting, ConfigurationError, UnknownSetting
from kernelq_worker.overrides import apply


@pytest.mark.parametrize(
    ("word", "name", "value"),
    [
        ("worker_concurrency=4", "worker_concurrency", 4),
        ("worker.concurrency=4", "worker_concurrency", 4),
        ("task_acks_late=false", "task_acks_late", False),
        ("task_acks_late=True", "task_acks_late", True),
        ("timezone=Europe/Berlin", "timezone", "Europe/Berlin"),
        ("task_default_queue=7", "task_default_queue", "7"),
        ('accept_content=["json"]', "accept_content", ["json"]),
    ],
)
def test_values_are_read_as_the_setting_wants_them(word: str, name: str, value: object) -> None:
    conf = Conf()

    apply(conf, [word])

    assert value == getattr(conf, name)
    assert "command line" == conf.source(name)


@pytest.mark.parametrize(
    ("word", "error", "told"),
    [
        ("worker_concurency=4", UnknownSetting, "worker_concurrency"),
        ("worker_concurrency=many", BadSetting, "many"),
        ("verbose", ConfigurationError, "NAME=VALUE"),
    ],
)
def test_what_is_wrong_is_told(word: str, error: type[Exception], told: str) -> None:
    with pytest.raises(error, match=told):
        apply(Conf(), [word])


def test_a_number_out_of_range_is_told_as_one() -> None:
    with pytest.raises(BadSetting, match="is 0: it must be"):
        apply(Conf(), ["worker_concurrency=0"])
