"""What the transport says of itself, by URL; and a broker without a server."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from kernelq.delivery import Verdict
from kernelq.kernel.contracts.transport import TransportCapability as Can
from kernelq.kernel.errors import BrokerUnreachable
from kernelq_kombu import KombuTransport
from kernelq_testkit import SteppedLoop
from kernelq_testkit.consuming import Consuming
from kernelq_testkit.messages import message


def test_capabilities_follow_the_url():
    """Nothing is promised that this broker, or these settings, do not give."""
    amqp = KombuTransport("amqp://localhost//").capabilities
    assert {Can.LEASE, Can.FANOUT, Can.MULTIPROCESS, Can.PURGE, Can.DEAD_SET} == amqp
    with_priority = KombuTransport("amqp://localhost//", SimpleNamespace(task_queue_max_priority=9))
    assert {Can.PRIORITY} == with_priority.capabilities - amqp
    assert {Can.PRIORITY} == KombuTransport("redis://localhost/").capabilities - amqp


def test_password_is_never_shown():
    """Neither by the transport nor by the lane."""
    transport = KombuTransport("amqp://me:secret@localhost:1//")
    assert transport.safe_url() == "amqp://me:**@localhost:1//"
    assert "secret" not in str(transport.lane().info())


@pytest.mark.parametrize("scheme", ["amqp", "redis"])
def test_a_lane_without_a_broker_says_so(free_port, scheme):
    """Opening raises BrokerUnreachable; nothing stays in the loop."""
    loop = SteppedLoop()
    transport = KombuTransport(f"{scheme}://127.0.0.1:{free_port}/", SimpleNamespace(broker_connection_timeout=1))
    lane = transport.lane()
    with pytest.raises(BrokerUnreachable, match=str(free_port)):
        lane.open(loop, ["q"], lambda batch: None)
    lane.close()
    loop.close()


def test_files_are_a_broker_too(tmp_path):
    """kombu's filesystem transport: sent, polled, requeued, buried, listed, acknowledged."""
    folders = {"data_folder_in": str(tmp_path / "q"), "data_folder_out": str(tmp_path / "q")}
    options = {**folders, "control_folder": str(tmp_path / "control")}
    (tmp_path / "q").mkdir()
    transport = KombuTransport("filesystem://", SimpleNamespace(broker_transport_options=options))
    loop = SteppedLoop()
    sender = transport.sender()
    sender.publish_many([message("q", id="one"), message("q", id="two")])
    lane = Consuming(transport, loop, "q")
    came = {delivery.headers["id"]: delivery for delivery in lane.take(2)}  # of one millisecond, in no order
    lane.settle([came["one"]], Verdict.REQUEUE)
    lane.settle([came["two"]], Verdict.BURY, reason="no")
    assert ["two"] == [letter.task_id for letter in transport.admin().dead("q")]
    (again,) = lane.take(1)
    assert again.headers["id"] == "one"
    lane.settle([again])
    assert lane.quiet(0.2)
    lane.lane.close()
    sender.close()
    loop.close()
