"""A slot runs one job after another, as long as nothing else knows its greenlet."""

from __future__ import annotations

from contextvars import Context


def test_a_slot_is_reusable_until_a_task_hands_its_greenlet_out(patched):
    def scene() -> None:
        import gevent

        from kernelq_gevent.slot import Slot

        ran: list[object] = []
        known: list[object] = []

        def run(slot: Slot, job: object) -> None:
            ran.append(job)
            if job == "shows":
                known.append(gevent.getcurrent())

        slot = Slot(Context(), run, "one")  # type: ignore[arg-type]  # any object will do
        gevent.sleep(0)
        assert slot.reusable
        slot.give("two")  # type: ignore[arg-type]  # as above
        gevent.sleep(0)
        assert slot.reusable
        slot.give("shows")  # type: ignore[arg-type]  # as above
        gevent.sleep(0)
        assert not slot.reusable
        slot.give(None)
        gevent.sleep(0)
        assert slot.greenlet.dead
        assert not slot.reusable
        assert ["one", "two", "shows"] == ran

    patched(scene)
