"""Real databases, each test with tables of its own; a missing server is a failure, not a skip."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from kernelq.conf import Conf
from kernelq.outcome import Record
from kernelq_sqlalchemy.backend import DatabaseBackend
from kernelq_sqlalchemy.location import locate

SERVERS = {
    "postgresql": os.environ.get("KERNELQ_TEST_POSTGRES_URL", "postgresql://postgres@127.0.0.1:5432/test"),
    "mysql": os.environ.get("KERNELQ_TEST_MYSQL_URL", "mysql://root@127.0.0.1:3306/test"),
}


@pytest.fixture(params=["sqlite", "postgresql", "mysql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Where a database is that nobody else uses."""
    if request.param == "sqlite":
        yield f"db+sqlite:///{tmp_path / 'results.db'}"
        return
    server = locate(f"db+{SERVERS[request.param]}").url
    name = f"kq_{uuid.uuid4().hex[:12]}"
    admin = sa.create_engine(server, isolation_level="AUTOCOMMIT")
    with admin.connect() as db:
        db.execute(sa.text(f"CREATE DATABASE {name}"))
    yield f"db+{server.set(database=name).render_as_string(hide_password=False)}"
    with admin.connect() as db:
        force = " WITH (FORCE)" if request.param == "postgresql" else ""
        db.execute(sa.text(f"DROP DATABASE {name}{force}"))
    admin.dispose()


@pytest.fixture
def make(url: str) -> Iterator[Any]:
    """Makes stores on the database, with the settings given."""
    made: list[DatabaseBackend] = []

    def build(**settings: Any) -> DatabaseBackend:
        conf = Conf()
        made.append(DatabaseBackend(url, conf))  # it makes its settings known
        conf.update(settings, source="test")
        made[-1] = DatabaseBackend(url, conf)
        return made[-1]

    yield build
    for backend in made:
        backend.close()


@pytest.fixture
def backend(make: Any) -> DatabaseBackend:
    """A store with the settings that an app has by itself."""
    store: DatabaseBackend = make()
    return store


@pytest.fixture
def database(url: str) -> Iterator[sa.Engine]:
    """The database itself, to look at what is in it."""
    engine = sa.create_engine(locate(url).url, isolation_level="AUTOCOMMIT")
    yield engine
    engine.dispose()


@pytest.fixture
def record() -> Any:
    """Makes records."""

    def make(task_id: str = "a", state: str = "SUCCESS", payload: bytes = b"{}", expires: float | None = 60) -> Record:
        return Record(task_id, state, payload, expires)

    return make
