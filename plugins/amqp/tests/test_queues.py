"""Declarations, side by side with Celery's: either may come first."""

from __future__ import annotations

from types import SimpleNamespace

import amqp
import pytest
from kombu import Connection, Exchange, Queue
from kombu.transport.native_delayed_delivery import declare_native_delayed_delivery_exchanges_and_queues

from kernelq_amqp import delays, queues
from kernelq_amqp.connector import Connector
from kernelq_amqp.queues import Queues
from kernelq_amqp.transport import AmqpTransport
from kernelq_testkit.consuming import Consuming
from kernelq_testkit.messages import message

SETTINGS = [
    {},
    {"task_default_queue_type": "quorum", "task_create_missing_queue_type": "quorum"},
    {"task_queue_max_priority": 9},
]


def declare_as_celery(app, *names):
    with app.connection_for_write() as connection:
        for name in names:
            app.amqp.queues[name].bind(connection.default_channel).declare()


def known(**settings):
    return Queues(Connector("amqp://localhost//", SimpleNamespace(**settings)))


@pytest.mark.broker
@pytest.mark.parametrize("settings", SETTINGS, ids=["classic", "quorum", "priorities"])
@pytest.mark.parametrize("celery_first", [True, False], ids=["celery first", "kernelq first"])
def test_celery_and_kernelq_declare_alike(amqp_url, amqp_queue, loop, celery, settings, celery_first):
    """The default queue and a missing one; a difference would be a 406 for whoever comes second."""
    celery.conf.update(settings)
    names = amqp_queue, f"{amqp_queue}-other"
    if celery_first:
        declare_as_celery(celery, *names)
    transport = AmqpTransport(amqp_url, SimpleNamespace(task_default_queue=amqp_queue, **settings))
    link = transport._connector.link("test")
    for name in names:
        channel = link.channel()
        found = transport._queues[name]
        channel.queue_declare(name, durable=True, auto_delete=False, arguments=dict(found.arguments) or None)
        queues.ensure(link, found)
    link.part(1)
    declare_as_celery(celery, *names)
    lane = Consuming(transport, loop, *names)
    sent = celery.send_task("proj.add", (1, 2))
    assert lane.take(1)[0].headers["id"] == sent.id
    lane.settle(lane.deliveries)
    lane.lane.close()


@pytest.mark.broker
def test_an_existing_queue_stays_as_it_is(amqp_url, amqp_queue, loop, transport):
    """Whatever somebody gave it, its arguments are not ours to change."""
    with amqp.Connection("127.0.0.1:5672") as connection:
        arguments = {"x-max-length": 7, "x-message-ttl": 600_000}
        connection.channel().queue_declare(amqp_queue, durable=True, auto_delete=False, arguments=arguments)
    sender = transport.sender()
    sender.publish(message(amqp_queue))
    sender.close()
    lane = Consuming(transport, loop, amqp_queue)
    lane.settle(lane.take(1))
    lane.lane.close()


@pytest.mark.broker
def test_celerys_levels_of_delay_are_ours(amqp_url):
    """Declared by whoever comes first; the other's declaration is the same to the argument."""
    link = Connector(amqp_url, None).link("test")
    delays._declare(link, "quorum")
    with Connection(amqp_url) as connection:
        declare_native_delayed_delivery_exchanges_and_queues(connection, "quorum")
    delays._declare(link, "quorum")
    assert delays._exist(link)
    link.part(1)


def test_settings_name_queues_in_every_form():
    """Names, mappings, kombu's queues."""
    found = known(
        task_queues=[
            "plain",
            Queue("theirs", Exchange("ex", type="topic"), routing_key="a.#", max_priority=5, auto_delete=True),
        ]
    )
    assert ["plain", "theirs"] == found.names()
    assert ("ex", "topic", "a.#", True, {"x-max-priority": 5}) == (
        found["theirs"].exchange,
        found["theirs"].exchange_type,
        found["theirs"].routing_key,
        found["theirs"].auto_delete,
        found["theirs"].arguments,
    )
    given = {"exchange": "e", "routing_key": "k", "queue_arguments": {"x-queue-type": "quorum"}, "durable": True}
    mapped = known(task_queues={"m": given, "n": None}, task_queue_max_priority=9)
    assert mapped["m"].quorum
    assert {"x-queue-type": "quorum"} == mapped["m"].arguments, "RabbitMQ refuses priorities on quorum queues"
    assert {"x-max-priority": 9} == mapped["n"].arguments


def test_a_delivery_limit_brings_a_dead_set():
    """What RabbitMQ itself gives up goes where KernelQ puts what it buries."""
    found = known(task_default_queue="q", task_default_queue_type="quorum", task_queue_delivery_limit=20)["q"]
    assert {
        "x-queue-type": "quorum",
        "x-delivery-limit": 20,
        "x-dead-letter-exchange": "",
        "x-dead-letter-routing-key": "q.dlq",
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
    } == found.arguments
