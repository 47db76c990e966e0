"""Notices in a collection against their contract."""

from __future__ import annotations

import pytest

from kernelq.kernel.errors import BackendUnreachable
from kernelq.notices import TASK
from kernelq_testkit import NoticesConformance


@pytest.fixture
def notices(make):
    notices = make(mongodb_timeout=30.0).notices()  # the stand-in is slow at thousands of them
    yield notices
    notices.close()


class TestNotices(NoticesConformance):
    pass


def test_a_name_may_be_text_that_no_document_takes(notices):
    notices.put(TASK, ["zero\0", "half \ud83d"])

    assert {"zero\0", "half \ud83d"} == notices.find(TASK, ["zero\0", "half \ud83d", "zero"])


def test_a_server_that_is_away_is_told(make):
    notices = make("mongodb://127.0.0.1:1/none", mongodb_timeout=0.5).notices()

    with pytest.raises(BackendUnreachable):
        notices.kinds()
    notices.close()
