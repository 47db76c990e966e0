"""The Redis plugin against the shared contracts."""

from __future__ import annotations

import socket
from types import SimpleNamespace

import pytest

from kernelq_redis.backend import RedisBackend
from kernelq_redis.transport import RedisTransport
from kernelq_testkit.lane import LaneConformance
from kernelq_testkit.machine import TransportMachine
from kernelq_testkit.result_backend import ResultBackendConformance
from kernelq_testkit.sender import SenderConformance
from kernelq_testkit.transport import TransportConformance

# The tests fork beside the threads of the lease and of the subscriber.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")


class OneDatabase:
    @pytest.fixture
    def transport_factory(self, url, settings):
        return lambda: RedisTransport(url, settings)


class TestLane(OneDatabase, LaneConformance):
    pass


class TestSender(OneDatabase, SenderConformance):
    @pytest.fixture
    def unreachable_transport(self):
        """A transport to a server that accepts and says nothing."""
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
            settings = SimpleNamespace(broker_connection_timeout=1.0)
            yield RedisTransport(f"redis://:secret@127.0.0.1:{port}/0", settings)


class TestMachine(OneDatabase, TransportMachine):
    pass


class RescuedByCelery:
    """A transport whose messages in flight Celery's workers may rescue."""

    @pytest.fixture
    def transport_factory(self, url, settings):
        settings.broker_transport_options["celery_rescues"] = True
        return lambda: RedisTransport(url, settings)


class TestLaneRescuedByCelery(RescuedByCelery, LaneConformance):
    pass


class TestMachineRescuedByCelery(RescuedByCelery, TransportMachine):
    pass


class TestTransport(OneDatabase, TransportConformance):
    @pytest.fixture
    def backend(self, url, settings):
        backend = RedisBackend(url, settings)
        yield backend
        backend.close()


class TestBackend(ResultBackendConformance):
    @pytest.fixture
    def backend(self, url, settings):
        backend = RedisBackend(url, settings)
        yield backend
        backend.close()
