"""Notices that only one worker remembers, against their contract."""

from __future__ import annotations

import pytest

from kernelq.notices import TASK
from kernelq_control.remembered import MOST, Remembered
from kernelq_testkit import NoticesConformance


class TestNotices(NoticesConformance):
    @pytest.fixture
    def notices(self):
        return Remembered()


def test_the_oldest_are_forgotten_beyond_a_bound():
    remembered = Remembered()
    remembered.put(TASK, [str(number) for number in range(MOST + 1)])

    assert set() == remembered.find(TASK, ["0"])
    assert {str(MOST)} == remembered.find(TASK, [str(MOST)])
