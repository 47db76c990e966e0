"""The conformance classes of pools, strategies, gates, steps and commands fail where they must."""

# ruff: noqa: E501 - a fake's one line is kept whole

from __future__ import annotations

import pytest

from kernelq_testkit.waiting import VARIABLE

pytest_plugins = ["pytester"]

POOL = """
import asyncio
from kernelq.outcome import Outcome
from kernelq.kernel.contracts.pool import HostKind, Layout, PoolCapability as PoolCan

class Pool:
    name = "kit"
    kind = HostKind.FRESH
    capabilities = frozenset({PoolCan.HARD_LIMIT})
    room = 1
    def layout(self, concurrency, hosts): return Layout(1, concurrency)
    def runtime(self, slots): return Runtime(slots + self.extra)
    extra = 0

class Runtime:
    def __init__(self, slots): self.slots = slots
    def serve(self, link, execute):
        link.on_interrupt(self.interrupt)
        threads, room = [], threading.Semaphore(self.slots)
        def run(job):
            link.started(job)
            link.finished(job, self.run(execute, job))
            room.release()
            link.flush()
        while room.acquire() and (jobs := self.receive(link)) is not None:
            for job in jobs:
                threads.append(threading.Thread(target=run, args=(job,), daemon=True))
                threads[-1].start()
        self.end(threads)
    def run(self, execute, job):
        try:
            return execute(job)
        except BaseException:
            return Outcome("FAILURE")
    def receive(self, link): return link.receive(limit=1)
    def interrupt(self, job_id, error): return False
    def end(self, threads):
        for thread in threads: thread.join()

class OnALoop(Runtime):
    def serve(self, link, execute):
        link.on_interrupt(self.interrupt)
        asyncio.run(self.main(link, execute))
    async def main(self, link, execute):
        tasks, room = [], asyncio.Semaphore(self.slots)
        async def run(job):
            link.started(job)
            try:
                outcome = await execute.execute_async(job)
            except BaseException:
                outcome = Outcome("FAILURE")
            link.finished(job, outcome)
            room.release()
            link.flush()
        while await room.acquire():
            while (jobs := link.receive(timeout=0, limit=1)) == ():
                await self.readable(link.fileno())
            if jobs is None:
                break
            tasks.append(asyncio.create_task(run(jobs[0])))
            link.flush()
        await asyncio.gather(*tasks)
    async def readable(self, fd):
        loop = asyncio.get_running_loop()
        came = loop.create_future()
        loop.add_reader(fd, lambda: came.done() or came.set_result(None))
        await came
        loop.remove_reader(fd)

class Kit(PoolConformance):
    @pytest.fixture
    def pool(self):
        return Pool()
"""

LATE = """
Runtime.late = False
def interrupt(self, job_id, error):
    self.late = True
    return True
def run(self, execute, job):
    late, self.late = self.late, False
    return Outcome("INTERRUPTED") if late else execute(job)
Runtime.interrupt, Runtime.run = interrupt, run
"""

HASTY = """
@pytest.fixture(autouse=True)
def hasty(monkeypatch): monkeypatch.setattr(FakeLink, 'patience', 3.0)  # undone after the test: the class is everybody's
"""

POOLS = {
    "": "",
    "test_names_and_capabilities": "Pool.capabilities = frozenset()",
    "test_isolation_is_one_job_a_host": "Pool.capabilities |= {PoolCan.ISOLATION}",
    "test_layout_gives_the_concurrency": "Pool.layout = lambda self, concurrency, hosts: Layout(2, concurrency)",
    "test_layout_honours_hosts": "Pool.layout = lambda self, concurrency, hosts: Layout(1, 1 if hosts else concurrency)",
    "test_every_job_is_run_once_and_reported": "Runtime.receive = lambda self, link: (link.receive(limit=2) or [])[1:] or None",
    "test_reports_are_flushed": (
        "@pytest.fixture(autouse=True)\n"  # undone after the test: the class is everybody's
        "def broken(monkeypatch): monkeypatch.setattr(FakeLink, 'flush', lambda self: None)"
    ),
    "test_takes_only_what_can_start": "Runtime.receive = lambda self, link: link.receive()",
    "test_slots_are_used_and_not_exceeded": "Pool.extra = 1",
    "test_end_is_warm": "Pool.extra = 1\nRuntime.end = lambda self, threads: None",
    "test_end_runs_what_was_received": "Runtime.receive = lambda self, link: None if link._ended else link.receive(limit=1)",
    "test_idle_runtime_ends": "Runtime.end = lambda self, threads: 1 / 0",
    "test_jobs_that_come_later_are_run": "Runtime.receive = lambda self, link: link.receive(timeout=0, limit=1) or None",
    "test_what_a_job_raises_ends_only_the_job": "Runtime.run = lambda self, execute, job: Outcome('SUCCESS')",
    "test_interrupts_hit_no_other_job": LATE,
    "test_capability_soft_limit": "Pool.capabilities |= {PoolCan.SOFT_LIMIT}",
    "test_capability_async": "Pool.capabilities |= {PoolCan.ASYNC}",
}


@pytest.mark.parametrize("name", POOLS)
def test_a_broken_pool_fails_its_test(failures, name):
    """Each promise of a pool, broken, fails the test of that name; the unbroken one passes them all."""
    source = f"{POOL}\nfrom kernelq_testkit.link import FakeLink\n{POOLS[name]}{HASTY if name else ''}\nclass TestIt(Kit): pass\n"
    assert {name} - {""} == set(failures(name or "test_", source))


def test_an_event_loop_is_a_runtime_too(failures):
    """A runtime that awaits on the link's descriptor passes them all."""
    source = f"{POOL}\nPool.capabilities |= {{PoolCan.ASYNC}}\nRuntime = OnALoop\nclass TestIt(Kit): pass\n"
    assert [] == failures("test_", source)


def test_an_event_loop_that_is_not_declared_fails(failures):
    """ASYNC that works and is not declared is a failure, as one that is declared and does not work."""
    source = f"{POOL}\nRuntime = OnALoop\nclass TestIt(Kit): pass\n"
    assert ["test_capability_async"] == failures("test_capability_async", source)


def test_a_pool_is_prepared_first(failures):
    """What `prepare` changes is there when the runtime is made."""
    source = f"""{POOL}
Pool.prepare = lambda self: setattr(Runtime, "prepared", True)
Pool.runtime = lambda self, slots: Runtime(slots) if Runtime.prepared else None
class TestIt(Kit): pass
"""
    assert [] == failures("test_idle_runtime_ends", source)


STRATEGIES = {
    "test_known_task_is_requested": "request.job.body = b'decoded'; return request",
    "test_redelivered_runs_alone": "request.job.alone = False; return request",
    "test_limits_travel_with_the_job": "request.job.soft, request.job.hard = request.job.hard, request.job.soft; return request",
    "test_unknown_task_is_neither_lost_nor_looped": "return Settlement(delivery, Verdict.ACK)",
    "test_revoked_is_dropped": "host.revoked = lambda task_id: False; return default(task, host)(delivery)",
    "test_expired_is_dropped": "delivery.headers['expires'] = None; return default(task, host)(delivery)",
    "test_eta_waits_in_the_broker": "delivery.headers['eta'] = None; return default(task, host)(delivery)",
    "test_malformed_headers_are_met": "float(delivery.headers['eta'] or 1) and delivery.headers['timelimit'][1]; return request",
    "test_nameless_garbage_is_buried": "return Settlement(delivery, Verdict.ACK)",
    "test_decisions_are_quick": "time.sleep(0.0003); return request",
}


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_broken_strategy_fails_its_test(failures, name):
    """Each promise of a strategy, broken, fails the test of that name."""
    source = f"""
default = Discovery().load("kernelq.strategies", "default")

def broken(task, host):
    handler = default(task, host)
    def handle(delivery):
        request = handler(delivery)
        {STRATEGIES[name]}
    return handle

class TestIt(StrategyConformance):
    @pytest.fixture
    def strategy(self):
        return broken
"""
    assert name in failures(name, source)


GATE = """
from kernelq.kernel.contracts.gate import Admission

class Gate:
    name = "kit"
    def __init__(self): self.running = {}
    def key(self, request): return request.task
    def admit(self, request):
        ids = self.running.setdefault(self.key(request), set())
        if len(ids) >= 2: return Admission.HOLD
        ids.add(request.id)
        return Admission.ADMIT
    def release(self, request, outcome):
        ids = self.running.get(self.key(request), set())
        ids.discard(request.id)
        if not ids: self.running.pop(self.key(request), None)
    def info(self):
        return {"running": dict(sorted(((k, len(v)) for k, v in self.running.items()), key=lambda p: -p[1])[:100])}

class Kit(GateConformance):
    admits = 2
    @pytest.fixture
    def gate(self):
        return Gate()
"""

GATES = {
    "": "",
    "test_name_and_info": "Gate.info = lambda self: {'running': {1, 2}}",
    "test_key_is_hashable_and_stable": "Gate.key = lambda self, request: object()",
    "test_answers_are_of_the_contract": "Gate.admit = lambda self, request: True",
    "test_room_is_bounded_and_comes_back": "Gate.admit = lambda self, request: Admission.ADMIT",
    "test_release_is_idempotent": "Gate.release = lambda self, request, outcome: self.running[request.task].pop()",
    "test_info_stays_small": "Gate.info = lambda self: {'running': {k: len(v) for k, v in self.running.items()}}",
    "test_nothing_is_left_behind": "Gate.release = lambda self, request, outcome: None",
}


@pytest.mark.parametrize("name", GATES)
def test_a_broken_gate_fails_its_test(failures, name):
    """Each promise of a gate, broken, fails the test of that name; the unbroken one passes them all."""
    source = f"{GATE}\n{GATES[name]}\nclass TestIt(Kit): pass\n"
    assert ([name] if name else []) == failures(name or "test_", source)


STEP = """
import socket
from kernelq.kernel.keys import Key
from kernelq.kernel.step import Step
from kernelq.keys import LOOP

MINE = Key("kit.mine")
OTHER = Key("kit.other")

class Good(Step):
    requires = (LOOP,)
    provides = (MINE,)
    timer = pair = thread = None
    def start(self, ctx):
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.ended.wait)
        self.thread.start()
        self.pair = socket.socketpair()
        self.timer = ctx[LOOP].call_later(600, print)
        ctx[MINE] = self
    def stop(self, ctx):
        if self.thread is None: return
        self.ended.set()
        self.thread.join()
        for end in self.pair: end.close()
        self.timer.cancel()
    def info(self, ctx): return {"thread": True}
"""

STEPS = {
    "": "pass",
    "test_declarations_are_of_the_contract": "requires = ('loop',)",
    "test_enabled_answers": "enabled = classmethod(lambda cls, settings: 'off: for the test')",
    "test_start_provides_what_it_declares": "provides = (MINE, OTHER)",
    "test_stop_is_idempotent": "stop = lambda self, ctx: (self.ended.set(), Good.stop(self, ctx), setattr(self, 'ended', None))[0]",
    "test_terminate_ends_it": "terminate = lambda self, ctx: None",
    "test_resolving_changes_no_class": "start = lambda self, ctx: (Good.start(self, ctx), setattr(type(self), 'count', 1))[0]",
}
LEAKS = {
    "thread": "stop = lambda self, ctx: None",
    "descriptor": "stop = lambda self, ctx: (Good.stop(self, ctx), KEPT.append(socket.socket()))[0]",
    "timer": "stop = lambda self, ctx: (setattr(self, 'timer', self.timer and OTHER_TIMER()), Good.stop(self, ctx))[0]",
}


def step(body: str) -> str:
    """Return the source of a test class for a step with `body`."""
    return f"""{STEP}
KEPT = []
class OTHER_TIMER:
    def cancel(self): pass
class Broken(Good):
    {body}
class TestIt(StepConformance):
    @pytest.fixture
    def step(self):
        return Broken
"""


@pytest.mark.parametrize("name", STEPS)
def test_a_broken_step_fails_its_test(failures, name):
    """Each promise of a step, broken, fails the test of that name; the unbroken one passes them all."""
    assert ([name] if name else []) == failures(name or "test_", step(STEPS[name]))


@pytest.mark.parametrize("leak", LEAKS)
def test_a_leaking_step_fails_the_stress(failures, leak, monkeypatch):
    """A thread, a descriptor or a timer that stays is found."""
    monkeypatch.setenv(VARIABLE, "0.1")  # of what never ends
    assert "test_start_stop_stress" in failures("test_start_stop_stress", step(LEAKS[leak]))


COMMANDS = {
    "": ("inspect", "(ctx, word='hi'): 'Say it.'; return {'ok': word}"),
    "test_it_is_a_command": ("inspect", "(ctx): return {'ok': 1}"),
    "test_reply_is_json": ("control", "(ctx): 'Do it.'; return {'done': 1}"),
    "test_call_is_quick": ("inspect", "(ctx): 'Wait.'; time.sleep(1.1); return {}"),
    "test_wrong_arguments_tell_the_usage": ("inspect", "(ctx, **anything): 'Take it.'; return {}"),
    "test_inspect_changes_nothing": ("inspect", "(ctx): 'Ask.'; ctx[KEY] = 1; return {}"),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_broken_command_fails_its_test(failures, name):
    """Each promise of a command, broken, fails the test of that name; the unbroken one passes them all."""
    kind, body = COMMANDS[name]
    source = f"""
from kernelq.command import control_command, inspect_command
from kernelq.kernel.keys import Key
KEY = Key("kit.key")
@{kind}_command()
def told{body}

class TestIt(ControlCommandConformance):
    @pytest.fixture
    def command(self):
        return told
"""
    assert ([name] if name else []) == failures(name or "test_", source)
