"""A MongoDB, or what stands in for one, and stores in a database of the test's own."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from mongo_stand_in import serving

from kernelq.conf import Conf
from kernelq.outcome import Record
from kernelq_mongodb.backend import MongoBackend

REAL = os.environ.get("KERNELQ_TEST_MONGODB_URL", "")


@pytest.fixture
def url() -> Iterator[str]:
    """Where a database is that nobody else uses."""
    name = f"kq_{uuid.uuid4().hex[:12]}"
    if not REAL:
        with serving() as server:
            yield f"{server.url}/{name}"
        return
    from pymongo import MongoClient

    yield f"{REAL.rstrip('/')}/{name}"
    with MongoClient[dict[str, Any]](REAL) as client:
        client.drop_database(name)


@pytest.fixture
def make(url: str) -> Iterator[Any]:
    """Makes stores on the database, with the settings given."""
    made: list[MongoBackend] = []

    def build(at: str = url, **settings: Any) -> MongoBackend:
        conf = Conf()
        made.append(MongoBackend(at, conf))  # it makes its settings known
        conf.update(settings, source="test")
        made[-1] = MongoBackend(at, conf)
        return made[-1]

    yield build
    for backend in made:
        backend.close()


@pytest.fixture
def record() -> Any:
    """Makes records."""

    def make(task_id: str = "a", state: str = "SUCCESS", payload: bytes = b"{}", expires: float | None = 60) -> Record:
        return Record(task_id, state, payload, expires)

    return make
