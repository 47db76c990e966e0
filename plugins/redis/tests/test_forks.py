from __future__ import annotations

import gc

import pytest

from kernelq_redis.forks import watch
from kernelq_testkit.child import run_in_child


class Member:
    def __init__(self):
        self.told = 0

    def forked(self):
        self.told += 1


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_a_child_is_told_and_its_parent_is_not():
    member = Member()
    watch(member)

    def child():
        assert 1 == member.told

    assert "" == run_in_child(child)
    assert 0 == member.told


def test_nobody_is_kept_alive():
    watch(Member())
    gc.collect()
    from kernelq_redis.forks import _children

    assert not any(isinstance(one, Member) for one in _children._members)
