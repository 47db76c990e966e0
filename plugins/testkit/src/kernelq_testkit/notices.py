"""The contract `Notices`, as tests."""

from __future__ import annotations

from typing import Any

from kernelq.notices import GROUP, KINDS, QUEUE, TASK
from kernelq_testkit.waiting import eventually


class NoticesConformance:
    """Give a fixture `notices`, an empty store."""

    def test_of_nothing_there_is_no_notice(self, notices: Any) -> None:
        """Workers ask every second, and go on at once."""
        assert frozenset() == notices.kinds()
        assert set() == notices.find(TASK, ["a", "b"])
        assert [] == notices.names(QUEUE)
        assert 0 == notices.remove(TASK, ["a"])

    def test_what_is_put_is_found_among_many(self, notices: Any) -> None:
        """Under its kind and no other; names are any text."""
        notices.put(TASK, ["a", "with space", "ü☃", "x" * 200])
        notices.put(QUEUE, ["mail"])

        assert {"a", "ü☃"} == notices.find(TASK, ["a", "b", "ü☃", "mail"])
        assert {"x" * 200, "with space"} == notices.find(TASK, ["x" * 200, "with space"])
        assert set() == notices.find(GROUP, ["a"])
        assert {TASK, QUEUE} == notices.kinds() <= set(KINDS)
        assert ["mail"] == notices.names(QUEUE)

    def test_it_is_taken_away(self, notices: Any) -> None:
        """Then it is as if it had never been."""
        notices.put(QUEUE, ["a", "b"])

        assert 1 == notices.remove(QUEUE, ["a", "c"])
        assert ["b"] == notices.names(QUEUE)
        assert 1 == notices.remove(QUEUE, ["b"])
        assert frozenset() == notices.kinds()

    def test_it_ends(self, notices: Any) -> None:
        """After its seconds; what has none stays, and what is put again begins anew."""
        notices.put(TASK, ["short", "renewed"], 0.05)
        notices.put(TASK, ["renewed"], 600)
        notices.put(TASK, ["stays"])
        notices.put(GROUP, ["short"], 0.05)

        eventually(lambda: {"renewed", "stays"} == notices.find(TASK, ["short", "renewed", "stays"]))
        eventually(lambda: {TASK} == notices.kinds())
        assert ["renewed", "stays"] == notices.names(TASK)

    def test_there_may_be_many(self, notices: Any) -> None:
        """More than one command or statement can carry."""
        names = [f"{number:05}" for number in range(2500)]
        notices.put(TASK, names, 600)

        assert set(names) == notices.find(TASK, names)
        assert names[:7] == notices.names(TASK, 7)
        assert 2500 == notices.remove(TASK, names)

    def test_closing_frees_and_a_later_use_opens_again(self, notices: Any) -> None:
        """What was put is still there."""
        notices.put(QUEUE, ["mail"])
        notices.close()
        notices.close()

        assert ["mail"] == notices.names(QUEUE)
