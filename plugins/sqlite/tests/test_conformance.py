"""The SQLite plugin against the shared contracts."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from kernelq.kernel.errors import BrokerLost, ConfigurationError
from kernelq_sqlite.backend import SqliteBackend
from kernelq_sqlite.location import locate
from kernelq_sqlite.store import Store
from kernelq_sqlite.transport import SqliteTransport
from kernelq_testkit.lane import LaneConformance
from kernelq_testkit.machine import TransportMachine
from kernelq_testkit.result_backend import ResultBackendConformance
from kernelq_testkit.sender import SenderConformance
from kernelq_testkit.transport import TransportConformance


class OneFile:
    @pytest.fixture
    def transport_factory(self, url, settings):
        return lambda: SqliteTransport(url, settings)


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")  # workers fork with a lease thread
class TestLane(OneFile, LaneConformance):
    pass


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")  # workers fork with a lease thread
class TestSender(OneFile, SenderConformance):
    @pytest.fixture
    def unreachable_transport(self, tmp_path):
        """A transport on a file whose writer lock another holds."""
        url = f"sqlite:///{tmp_path}/busy.db"
        holder = Store(locate(url))
        with holder.write(BrokerLost):
            yield SqliteTransport(url, SimpleNamespace(broker_connection_timeout=1))
        holder.close()


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")  # workers fork with a lease thread
class TestMachine(OneFile, TransportMachine):
    hoards = False


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")  # workers fork with a lease thread
class TestTransport(OneFile, TransportConformance):
    lease_limit = 2.0

    @pytest.fixture
    def backend(self, url, settings):
        backend = SqliteBackend(url, settings)
        yield backend
        backend.close()


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")  # workers fork with a lease thread
class TestBackend(ResultBackendConformance):
    @pytest.fixture
    def backend(self, url, settings):
        backend = SqliteBackend(url, settings)
        yield backend
        backend.close()


def test_the_entry_points_name_the_plugin():
    from importlib.metadata import entry_points

    for group, cls in (("kernelq.transports", SqliteTransport), ("kernelq.backends", SqliteBackend)):
        (found,) = entry_points(group=group, name="sqlite")
        assert cls is found.load()
    with pytest.raises(ConfigurationError):
        SqliteTransport("sqlite://", None)
