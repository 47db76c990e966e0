"""Where tasks go. What Celery does of it is held by the golden tests; here are the errors and our own additions."""

from __future__ import annotations

import re

import pytest

from kernelq.conf import Conf
from kernelq.kernel.errors import ConfigurationError
from kernelq.routing import Destination, QueueNotFound, Routing


def routing(**settings):
    conf = Conf()
    conf.update(settings)
    return Routing(conf)


def queue_of(routes, name):
    found = routing(task_routes=routes)
    return found.destination(found.options({}, name)).queue


def test_a_task_that_nothing_routes_goes_to_the_default_queue():
    assert Destination("celery", "", "celery", 2) == routing().destination({})


@pytest.mark.parametrize(
    "routes",
    [
        {"shop.pack": "wanted"},
        {"shop.*": "wanted"},
        {re.compile(r"shop\.(pack|ship)"): "wanted"},
        {"shop.*": "other", "shop.pack": "wanted"},
        [("shop.p*", "wanted"), ("shop.*", "other")],
        [{"else.*": "other"}, {"shop.pack": {"queue": "wanted"}}],
        lambda name, args, kwargs, options, task: "wanted" if name.endswith("pack") else None,
        [lambda *_, **__: None, {"*": "wanted"}],
    ],
    ids=range(8),
)
def test_routes_of_every_form_are_followed(routes):
    """An exact name goes before patterns, an earlier pattern before a later."""
    assert "wanted" == queue_of(routes, "shop.pack")


def test_what_the_call_says_goes_before_its_route():
    found = routing(task_routes={"*": {"queue": "routed", "priority": 3}})

    assert {"queue": "called", "priority": 3} == found.options({"queue": "called"}, "any")


def test_an_exchange_of_a_configured_queue_finds_the_queue():
    """A transport without exchanges looks at the queue only."""
    found = routing(
        task_queues={"news": {"exchange": "ex", "exchange_type": "topic", "routing_key": "news.#"}, "celery": {}}
    )

    assert "news" == found.destination({"exchange": "ex", "routing_key": "news.sport.today"}).queue
    assert "news" == found.destination({"exchange": "ex", "routing_key": "news"}).queue
    assert "celery" == found.destination({"exchange": "ex", "routing_key": "weather"}).queue


def test_a_missing_queue_is_an_error_where_none_may_be_made():
    found = routing(task_queues=["celery", "other"], task_create_missing_queues=False)

    with pytest.raises(QueueNotFound, match="Did you mean 'other'"):
        found.destination({"queue": "othr"})


def test_a_route_that_is_none_is_an_error():
    with pytest.raises(ConfigurationError, match="task_routes"):
        routing(task_routes=[3])


def test_routes_by_name_alone_are_known_to_be_static():
    """Only then can a task's route be remembered."""
    assert routing(task_routes={"a": "b"}).routes.static
    assert not routing(task_routes=lambda *_, **__: None).routes.static
