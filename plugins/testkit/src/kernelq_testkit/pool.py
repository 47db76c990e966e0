"""PoolConformance: a pool's layout, capabilities and host runtime."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kernelq.exceptions import SoftTimeLimitExceeded, TimeLimitInterrupt
from kernelq.kernel.contracts.pool import HostKind, Layout
from kernelq.kernel.contracts.pool import PoolCapability as Can
from kernelq_testkit.hosted import Hosted, in_a_host, job

if TYPE_CHECKING:
    from kernelq.kernel.contracts.pool import Pool

NEEDS_A_HOST = frozenset({Can.HARD_LIMIT, Can.TERMINATE, Can.ISOLATION})
"""What the host supervisor can only do to another process."""


class PoolConformance:
    """Holds a pool to `kernelq.kernel.contracts.pool.Pool` and its runtime to `HostRuntime`.

    Subclass it with a fixture `pool`. Each runtime serves in the main thread of a process of its own, after
    `Prepares.prepare` where the pool has it. Restarts and redelivery are the host supervisor's and tested there.
    """

    slots = 3
    """How many jobs the runtime is asked to run at a time, where the layout allows more than one."""

    @pytest.fixture
    def pool(self) -> Pool:
        """Return the pool. Override it."""
        raise NotImplementedError("give your subclass a fixture named pool")

    def test_names_and_capabilities(self, pool: Pool) -> None:
        """A pool says what it is, and promises nothing that its kind of host cannot do."""
        assert isinstance(pool.name, str)
        assert pool.name == pool.name.lower() != ""
        assert isinstance(pool.kind, HostKind)
        assert pool.capabilities <= frozenset(Can)
        if pool.kind is HostKind.INLINE:
            assert not pool.capabilities & NEEDS_A_HOST
        else:
            assert Can.HARD_LIMIT in pool.capabilities, "the host supervisor replaces hosts of every kind"

    def test_isolation_is_one_job_a_host(self, pool: Pool) -> None:
        """ISOLATION holds if and only if no two jobs share a process."""
        isolated = pool.kind is not HostKind.INLINE and pool.layout(4, None).slots == 1
        assert (Can.ISOLATION in pool.capabilities) is isolated

    @pytest.mark.parametrize("concurrency", [1, 2, 8, 50])
    def test_layout_gives_the_concurrency(self, pool: Pool, concurrency: int) -> None:
        """Hosts times slots are the concurrency asked for; a pool in the supervisor has one of both."""
        layout = pool.layout(concurrency, None)
        if pool.kind is HostKind.INLINE:
            assert layout == Layout(1, 1)
        else:
            assert layout.hosts * layout.slots == concurrency

    def test_layout_honours_hosts(self, pool: Pool) -> None:
        """`--hosts` is taken, where the pool has room for it, and gives at least the concurrency."""
        layout = pool.layout(4, 2)
        assert layout.hosts >= 1
        assert layout.slots >= 1
        if pool.kind is not HostKind.INLINE:
            assert layout.hosts * layout.slots >= 4

    @in_a_host
    def test_every_job_is_run_once_and_reported(self, pool: Pool, hosted: Hosted) -> None:
        """Started before finished, both once, with the outcome that `execute` gave; many more jobs than slots."""
        count = 300
        hosted.link.give(*map(job, range(count)))
        assert hosted.link.wait_for(lambda: len(hosted.link.outcomes) == count)
        reports: dict[int, list[str]] = {}
        for what, number in hosted.link.reports:
            reports.setdefault(number, []).append(what)
        assert reports == {number: ["started", "finished"] for number in range(count)}
        assert [f"ran {number}" for number in range(count)] == [
            hosted.link.outcomes[number].detail for number in range(count)
        ]
        assert sorted(hosted.ran) == list(range(count))

    @in_a_host
    def test_reports_are_flushed(self, pool: Pool, hosted: Hosted) -> None:
        """With no further job at hand the runtime flushes, so that the outcome leaves at once."""
        hosted.link.give(job(1))
        assert hosted.link.wait_for(lambda: 1 in hosted.link.outcomes)
        assert hosted.link.wait_for(lambda: hosted.link.unsent == 0), f"{hosted.link.unsent} reports stay unsent"

    @in_a_host
    def test_takes_only_what_can_start(self, pool: Pool, hosted: Hosted) -> None:
        """What has no slot yet stays in the link, so that the supervisor can call it back."""
        hosted.hold(*map(job, range(hosted.slots + 5)))
        assert hosted.wait_until_running(hosted.slots)
        assert not hosted.link.wait_for(lambda: hosted.link.waiting < 5, 0.2), f"{hosted.link.waiting} of 5 are left"

    @in_a_host
    def test_slots_are_used_and_not_exceeded(self, pool: Pool, hosted: Hosted) -> None:
        """As many jobs run at a time as there are slots, never more."""
        hosted.hold(*map(job, range(hosted.slots * 3)))
        assert hosted.wait_until_running(hosted.slots), f"{hosted.running} run"
        assert not hosted.link.wait_for(lambda: hosted.running > hosted.slots, 0.2), f"{hosted.running} run"
        hosted.release()
        assert hosted.link.wait_for(lambda: len(hosted.link.outcomes) == hosted.slots * 3)
        assert hosted.most == hosted.slots

    @in_a_host
    def test_jobs_that_come_later_are_run(self, pool: Pool, hosted: Hosted) -> None:
        """A runtime that has nothing to do wakes for each job that comes."""
        for number in range(20):
            hosted.link.give(job(number))
            assert hosted.wait_until_run(number)

    @in_a_host
    @pytest.mark.parametrize("error", [RuntimeError, SystemExit, KeyboardInterrupt, BaseException])
    def test_what_a_job_raises_ends_only_the_job(self, pool: Pool, hosted: Hosted, error: type[BaseException]) -> None:
        """Whatever comes out of `execute` is that job's outcome, no success, and the next jobs run."""
        hosted.link.give(job(0, raises=error), job(1), job(2, raises=error), job(3))
        assert hosted.link.wait_for(lambda: len(hosted.link.outcomes) == 4), (hosted.link.outcomes, hosted.error)
        succeeded = [number for number in range(4) if hosted.link.outcomes[number].state == "SUCCESS"]
        assert succeeded == [1, 3]

    @in_a_host
    def test_end_is_warm(self, pool: Pool, hosted: Hosted) -> None:
        """Asked to end while jobs run, `serve` returns after the last of them has ended, not before."""
        hosted.hold(*map(job, range(hosted.slots)))
        assert hosted.wait_until_running(hosted.slots)
        hosted.link.end()
        assert not hosted.wait_until_ended(0.3), "serve has returned, and jobs still run"
        hosted.release()
        assert hosted.wait_until_ended()
        assert len(hosted.link.outcomes) == hosted.slots

    @in_a_host
    def test_end_runs_what_was_received(self, pool: Pool, hosted: Hosted) -> None:
        """What came before the end is run, though it still waits for a slot when the end is asked for."""
        hosted.hold(*map(job, range(hosted.slots + 2)))
        assert hosted.wait_until_running(hosted.slots)
        hosted.link.end()
        hosted.release()
        assert hosted.wait_until_ended()
        assert len(hosted.link.outcomes) == hosted.slots + 2

    @in_a_host
    def test_idle_runtime_ends(self, pool: Pool, hosted: Hosted) -> None:
        """An end that finds nothing to do ends it at once."""
        hosted.link.end()
        assert hosted.wait_until_ended()
        assert hosted.error is None

    @in_a_host
    @pytest.mark.parametrize("error", [SoftTimeLimitExceeded, TimeLimitInterrupt])
    def test_capability_soft_limit(self, pool: Pool, hosted: Hosted, error: type[BaseException]) -> None:
        """SOFT_LIMIT: an interrupt is raised in the job it is meant for, and only there. Without it, in none.

        A hard limit comes the same way where other jobs are in the host, as an exception that no task catches.
        """
        hosted.hold(*map(job, range(hosted.slots)))
        assert hosted.wait_until_running(hosted.slots)
        found = [hosted.link.interrupt(0, error), hosted.link.interrupt(999, error)]
        hit = hosted.link.wait_for(lambda: 0 in hosted.link.outcomes, 10 if found[0] else 2)
        assert hit is (Can.SOFT_LIMIT in pool.capabilities)
        assert found == [hit, False]
        hosted.release()
        assert hosted.link.wait_for(lambda: len(hosted.link.outcomes) == hosted.slots)
        states = [hosted.link.outcomes[number].state for number in range(hosted.slots)]
        assert states[1:] == ["SUCCESS"] * (hosted.slots - 1)
        assert states[0] == ("INTERRUPTED" if hit else "SUCCESS")
        assert hosted.link.outcomes[0].detail == (error.__name__ if hit else "ran 0")

    @in_a_host
    def test_interrupts_hit_no_other_job(self, pool: Pool, hosted: Hosted) -> None:
        """Interrupts that race with the end of their jobs hit those or nothing, and no job is lost."""
        count, meant = 600, set()
        hosted.link.give(*map(job, range(count)))
        while len(hosted.link.outcomes) < count and hosted.error is None:
            for number in hosted.ran[-hosted.slots :]:
                if number % 3 == 0 and number not in meant and hosted.link.interrupt(number, SoftTimeLimitExceeded):
                    meant.add(number)
            hosted.link.wait_for(lambda: False, 0)
        assert hosted.error is None
        failed = {number for number, outcome in hosted.link.outcomes.items() if outcome.state != "SUCCESS"}
        assert failed <= meant
        hosted.link.give(*map(job, range(count, 2 * count)))
        assert hosted.link.wait_for(lambda: len(hosted.link.outcomes) == 2 * count)
        assert {hosted.link.outcomes[number].state for number in range(count, 2 * count)} == {"SUCCESS"}

    @in_a_host
    def test_capability_async(self, pool: Pool, hosted: Hosted) -> None:
        """ASYNC: as many ``async def`` tasks as there are slots run on one event loop. Without it, none runs on one."""
        hosted.hold(*map(job, range(hosted.slots)))
        assert hosted.wait_until_running(hosted.slots)
        assert (len(hosted.loops) == 1) is (Can.ASYNC in pool.capabilities), f"jobs run on {len(hosted.loops)} loops"
        assert len(hosted.loops) <= 1
