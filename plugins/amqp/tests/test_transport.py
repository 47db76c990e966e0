"""What the transport says of itself; and that the schemes are its own."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from kernelq import KernelQ
from kernelq.kernel.contracts.transport import TransportCapability as Can
from kernelq.kernel.errors import BadSetting, BrokerUnreachable
from kernelq_amqp.transport import AmqpTransport
from kernelq_testkit import SteppedLoop
from kernelq_testkit.leftovers import CountingLoop


@pytest.mark.parametrize("scheme", ["amqp", "amqps", "pyamqp"])
def test_the_schemes_are_its_own(scheme):
    """Others go to whoever takes them."""
    assert isinstance(KernelQ("a", broker=f"{scheme}://host//").transport, AmqpTransport)


def test_priorities_need_a_setting():
    """Queues without x-max-priority have none."""
    plain = AmqpTransport("amqp://localhost//").capabilities
    assert Can.PRIORITY not in plain
    more = AmqpTransport("amqp://localhost//", SimpleNamespace(task_queue_max_priority=9)).capabilities
    assert {Can.PRIORITY} == more - plain
    quorum = SimpleNamespace(task_queue_max_priority=9, task_default_queue_type="quorum")
    assert plain == AmqpTransport("amqp://localhost//", quorum).capabilities


def test_settings_are_known_and_checked():
    """Celery's names."""
    app = KernelQ("a", broker="amqp://me:secret@host//")
    app.conf.update(task_queue_max_priority=9, task_default_queue_type="quorum", broker_heartbeat=5.0)
    assert app.transport._queues["any"].quorum
    assert 5.0 == app.transport._connector.option("broker_heartbeat")
    with pytest.raises(BadSetting):
        app.conf.update(task_queue_max_priority=0)
    assert "amqp://me:**@host//" == app.transport.safe_url()
    assert "secret" not in str(app.transport.lane().info())


def test_a_lane_without_a_broker_leaves_nothing_in_the_loop(free_port):
    """It says so and may be closed."""
    loop = CountingLoop()
    transport = AmqpTransport(f"amqp://127.0.0.1:{free_port}//", SimpleNamespace(broker_connection_timeout=1))
    lane = transport.lane()
    with pytest.raises(BrokerUnreachable, match=str(free_port)):
        lane.open(loop, ["q"], lambda batch: None)
    lane.close()
    assert [] == loop.live()
    loop.close()


@pytest.mark.broker
def test_a_closed_lane_leaves_nothing_in_the_loop(transport, amqp_queue):
    """No timer, no reader."""
    loop = CountingLoop()
    lane = transport.lane()
    lane.open(loop, [amqp_queue], lambda batch: None)
    lane.want(3)
    loop.run_for(0.2)
    lane.close()
    assert [] == loop.live()
    loop.close()
    assert isinstance(loop, SteppedLoop)
