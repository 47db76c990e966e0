"""Connections to the database."""

from __future__ import annotations

import socket
import threading
import time

import pytest
import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from kernelq.conf import Conf
from kernelq.kernel.errors import BackendUnreachable
from kernelq.serialization import EncodeError
from kernelq_sqlalchemy.backend import DatabaseBackend


@pytest.fixture
def silent():
    """A port that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=16) as server:
        yield server.getsockname()[1]


def store(url, **settings):
    conf = Conf()
    DatabaseBackend(url, conf)
    conf.update(settings, source="test")
    return DatabaseBackend(url, conf)


@pytest.mark.parametrize("scheme", ["postgresql", "mysql"])
def test_a_silent_server_is_unreachable_in_time_and_no_password_is_shown(scheme, silent, record):
    backend = store(f"db+{scheme}://me:secret@127.0.0.1:{silent}/x", database_timeout=2)
    began = time.monotonic()
    with pytest.raises(BackendUnreachable) as caught:
        backend.store_many([record(payload=b"hush")])

    assert time.monotonic() - began < 10
    assert "secret" not in str(caught.value)
    assert "hush" not in str(caught.value)
    backend.close()


@pytest.mark.parametrize("scheme", ["postgresql", "mysql"])
def test_nobody_there_is_unreachable_at_once(scheme, record):
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        backend = store(f"db+{scheme}://127.0.0.1:{bound.getsockname()[1]}/x")
        for call in (lambda: backend.store_many([record()]), lambda: backend.get("a"), lambda: backend.wait(["a"], 1)):
            with pytest.raises(BackendUnreachable):
                call()


def test_a_database_that_is_locked_is_unreachable_in_time(tmp_path, record):
    backend = store(f"db+sqlite:///{tmp_path}/r.db", database_timeout=0.2)
    backend.store_many([record()])
    holder = sa.create_engine(f"sqlite:///{tmp_path}/r.db")
    with holder.connect() as db:
        db.execute(sa.text("BEGIN IMMEDIATE"))
        with pytest.raises(BackendUnreachable, match="locked"):
            backend.store_many([record("b")])
    backend.store_many([record("b")])
    backend.close()
    holder.dispose()


@pytest.mark.broker
def test_connections_that_the_server_has_closed_are_replaced(backend, record, database):
    """Also where the settings check none before its use."""
    backend.store_many([record()])
    with database.connect() as db:
        if database.dialect.name == "postgresql":
            db.execute(
                sa.text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            )
        elif database.dialect.name == "mysql":
            ids = sa.text(
                "SELECT id FROM information_schema.processlist WHERE db = database() AND id <> connection_id()"
            )
            for (one,) in db.execute(ids).all():
                db.execute(sa.text(f"KILL {one}"))

    backend.store_many([record("b")])
    assert (b"{}", b"{}") == (backend.get("a"), backend.get("b"))


@pytest.mark.broker
def test_a_dead_connection_is_tried_again_once_without_the_check(make, record, database):
    if database.dialect.name != "postgresql":
        return
    backend = make(database_engine_options={"pool_pre_ping": False})
    backend.store_many([record()])
    with database.connect() as db:
        db.execute(sa.text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '' "
                           "AND datname = current_database() AND pid <> pg_backend_pid()"))  # fmt: skip
    backend.store_many([record("b")])
    assert b"{}" == backend.get("b")


@pytest.mark.broker
def test_a_value_that_no_column_takes_is_an_error_of_the_result(backend, record, database):
    """Not of the store: it would be tried for ever."""
    if database.dialect.name == "sqlite":
        return  # it takes text of any length
    with pytest.raises(EncodeError, match="refuses this result"):
        backend.store_many([record("x" * 200)])
    backend.store_many([record("b")])
    assert b"{}" == backend.get("b")


@pytest.mark.broker
def test_a_megabyte_and_odd_bytes_come_back(backend, record):
    payloads = {"big": b"x" * 1_000_000, "odd": bytes(range(256))}
    backend.store_many([record(name, payload=one) for name, one in payloads.items()])
    assert payloads == {name: backend.get(name) for name in payloads}


@pytest.mark.broker
def test_sixty_four_threads_share_few_connections(make, record):
    made = []
    backend = make(database_engine_callback=made.append, database_timeout=100.0)  # many writers, one at a time
    errors = []

    def work(number):
        try:
            for turn in range(5):
                backend.store_many([record(f"{number}-{turn}")])
                assert b"{}" == backend.get(f"{number}-{turn}")
        except Exception as error:  # noqa: BLE001 - the test looks at it
            errors.append(error)

    backend.store_many([record()])
    threads = [threading.Thread(target=work, args=(number,)) for number in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert [] == errors
    assert 1 == len(made)
    assert made[0].pool.checkedin() <= 15


def test_short_lived_sessions_keep_no_connection(tmp_path, record):
    made = []
    backend = store(
        f"db+sqlite:///{tmp_path}/r.db", database_short_lived_sessions=True, database_engine_callback=made.append
    )
    backend.store_many([record()])

    assert isinstance(made[0].pool, NullPool)
    assert b"{}" == backend.get("a")
    backend.close()


def test_the_drivers_arguments_of_the_settings_win(tmp_path, record):
    backend = store(
        f"db+sqlite:///{tmp_path}/r.db",
        database_engine_options={"pool_size": 1, "connect_args": {"timeout": 9, "isolation_level": None}},
    )
    backend.store_many([record()])
    assert b"{}" == backend.get("a")
    backend.close()
