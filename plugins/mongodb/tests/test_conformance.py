"""The MongoDB plugin against the shared contract."""

from __future__ import annotations

from importlib.metadata import entry_points

import pytest

from kernelq_mongodb.backend import MongoBackend
from kernelq_testkit.result_backend import ResultBackendConformance


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")  # a child is forked while a thread looks
@pytest.mark.filterwarnings("ignore:MongoClient opened before fork:UserWarning")  # the child opens its own
class TestBackend(ResultBackendConformance):
    @pytest.fixture
    def backend(self, make):
        return make()


def test_the_entry_point_names_the_store():
    (found,) = entry_points(group="kernelq.backends", name="mongodb")
    assert MongoBackend is found.load()
