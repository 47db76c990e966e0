"""ResultBackendConformance fails where it must."""

from __future__ import annotations

import pytest

pytest_plugins = ["pytester"]

BROKEN = {
    "test_placement_is_declared": """
    placement = "anywhere"
    """,
    "test_unknown_is_none": """
    def get(self, task_id):
        return super().get(task_id) or b""
    """,
    "test_stored_payload_comes_back": """
    def get(self, task_id):
        found = super().get(task_id)
        return found and found.decode().encode("utf-16")
    """,
    "test_success_is_never_overwritten": """
    def store_many(self, records):
        self.forget([each.task_id for each in records])
        super().store_many(records)
    """,
    "test_other_states_give_way": """
    def store_many(self, records):
        super().store_many([each for each in records if super(Broken, self).get(each.task_id) is None])
    """,
    "test_unready_state_ends_no_wait": """
    def wait(self, task_ids, timeout):
        return {each: p for each in task_ids if (p := self.get(each))} or super().wait(task_ids, timeout)
    """,
    "test_wait_is_woken": """
    def wait(self, task_ids, timeout):
        threading.Event().wait(min(timeout, 1.2))
        return super().wait(task_ids, 0)
    """,
    "test_wait_async_is_woken": """
    async def wait_async(self, task_ids, timeout):
        return self.wait(task_ids, min(timeout, 2))
    """,
    "test_wait_async_is_cancelled": """
    async def wait_async(self, task_ids, timeout):
        import asyncio
        return await asyncio.to_thread(self.wait, task_ids, min(timeout, 2))
    """,
    "test_forgotten_is_gone": """
    def forget(self, task_ids):
        pass
    """,
    "test_results_expire": """
    def store_many(self, records):
        for each in records:
            each.expires = None
        super().store_many(records)
    """,
    "test_close_is_no_end": """
    def close(self):
        self._stored.clear()
    """,
    "test_forked_child": """
    def _here(self):
        self._pid = os.getpid()
        return super()._here()
    """,
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_store_fails_its_test(failures, name):
    """Each promise of a result store, broken, fails the test of that name."""
    source = f"""
class Broken(MemoryBackend):
{BROKEN[name]}

class TestIt(ResultBackendConformance):
    soon = 0.5
    patience = 5.0
    @pytest.fixture
    def backend(self):
        return Broken("memory://")
"""
    assert name in failures(name, source)
