"""The SQL plugin against the shared contract, on every database."""

from __future__ import annotations

from importlib.metadata import entry_points

import pytest

from kernelq_sqlalchemy.backend import DatabaseBackend
from kernelq_testkit.result_backend import ResultBackendConformance


@pytest.mark.broker
@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")  # a child is forked while a thread looks
class TestBackend(ResultBackendConformance):
    @pytest.fixture
    def backend(self, make):
        return make()


@pytest.mark.parametrize("name", ["db", "database"])
def test_the_entry_points_name_the_store(name):
    (found,) = entry_points(group="kernelq.backends", name=name)
    assert DatabaseBackend is found.load()
