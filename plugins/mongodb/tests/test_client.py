"""Connections, and what goes wrong with them."""

from __future__ import annotations

import socket
import time

import pytest

from kernelq.kernel.errors import BackendUnreachable, ConfigurationError
from kernelq.serialization import EncodeError
from kernelq_mongodb.client import Client
from kernelq_mongodb.location import locate
from kernelq_mongodb.options import MongoSettings


@pytest.fixture
def client(url):
    made = Client(locate(url, MongoSettings()))
    yield made
    made.close()


def test_it_runs_with_the_database_that_the_url_names(client, url):
    assert url.rpartition("/")[2] == client.run(lambda db: db.name)


def test_a_server_that_is_away_is_told_within_the_timeout():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        client = Client(locate(f"mongodb://me:hunter2@127.0.0.1:{port}/x", MongoSettings(mongodb_timeout=0.5)))
        began = time.monotonic()
        with pytest.raises(BackendUnreachable, match=r"mongodb://me:\*\*@127\.0\.0\.1") as caught:
            client.run(lambda db: db.command("ping"))
        client.close()
    assert "hunter2" not in str(caught.value)
    assert time.monotonic() - began < 10


def test_values_that_no_document_takes_are_refused(client):
    with pytest.raises(EncodeError, match="refuses this result"):
        client.run(lambda db: db.t.insert_one({"n": 2**70}))


def test_a_url_that_pymongo_does_not_understand_is_a_mistake_of_the_settings():
    client = Client(locate("mongodb://h:none/x", MongoSettings()))
    with pytest.raises(ConfigurationError, match="Port contains non-digit"):
        client.run(lambda db: db.command("ping"))


def test_after_close_another_run_connects_again(client):
    client.run(lambda db: db.t.insert_one({"_id": 1}))
    client.close()
    client.close()
    assert [{"_id": 1}] == client.run(lambda db: list(db.t.find()))
