"""What a new interpreter gets from its supervisor."""

from __future__ import annotations

import os
import re

from kernelq import KernelQ
from kernelq_worker.hosts.carried import Carried, Logs, settings_of


def carried(app: KernelQ | None) -> Carried:
    return Carried(
        parent=7, pool="a:B", load="shop:app", slots=3, hostname="w@here", name="threads-1",
        logs=Logs(20, "/var/log/w.log"), settings=settings_of(app), argv=["kernelq", "worker"],
    )  # fmt: skip


def test_it_comes_as_it_went_and_the_descriptor_is_closed() -> None:
    sent = carried(None)
    fd = sent.write()
    assert sent == Carried.read(fd)
    assert not os.path.exists(f"/proc/self/fd/{fd}")


def test_what_was_set_is_set_with_its_source_and_nothing_else_is() -> None:
    """Also what JSON could not tell; a lambda is the app's own, and stays behind."""
    here = KernelQ("shop", broker="redis://:geheim@there/0", task_routes=[{re.compile("x"): "y"}])
    here.conf.update({"result_expires": 77.0, "accept_content": ("json", "yaml")}, source="command line")
    there = KernelQ("shop", task_queues={"own": {}})
    carried(here).apply(there.conf)
    assert here.conf.broker_url == there.conf.broker_url
    assert here.conf.task_routes == there.conf.task_routes
    assert (77.0, "command line") == (there.conf.result_expires, there.conf.source("result_expires"))
    assert {"own": {}} == there.conf.task_queues

    unpicklable = KernelQ("shop", task_routes=lambda *given: "here", result_expires=5.0)
    assert {"result_expires"} == {name for name, _, _ in settings_of(unpicklable)}


def test_a_setting_that_nobody_knows_there_is_passed_over() -> None:
    """Only a step of the worker reads it."""
    there = KernelQ("shop")
    message = carried(None)
    message.settings.append(("no_such_setting", "code", b"not read"))
    message.apply(there.conf)
