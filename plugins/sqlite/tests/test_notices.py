"""Notices in a file against their contract, of the broker and of the result store."""

from __future__ import annotations

import pytest

from kernelq.notices import QUEUE
from kernelq_sqlite.backend import SqliteBackend
from kernelq_sqlite.transport import SqliteTransport
from kernelq_testkit import NoticesConformance


class TestNotices(NoticesConformance):
    @pytest.fixture(params=[SqliteTransport, SqliteBackend])
    def notices(self, request, url, settings):
        owner = request.param(url, settings)
        notices = owner.notices()
        yield notices
        notices.close()
        owner.close()


def test_broker_and_result_store_of_one_file_see_the_same(url, settings):
    transport, backend = SqliteTransport(url, settings), SqliteBackend(url, settings)
    ours, theirs = transport.notices(), backend.notices()

    ours.put(QUEUE, ["mail"])

    assert ["mail"] == theirs.names(QUEUE)
    for one in (ours, theirs, transport, backend):
        one.close()
