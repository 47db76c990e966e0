"""Whole workers with the pool asyncio: thousands of coroutines, and what happens to one harms no other."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

import pytest

from kernelq.exceptions import SoftTimeLimitExceeded, TimeLimitExceeded

MORE_TASKS = '''
import asyncio, contextvars

here = contextvars.ContextVar("here", default=None)
together = []
everybody = None


@app.task
async def meet(count):
    """Ends when `count` of its kind run at the same time."""
    global everybody
    together.append(1)
    everybody = everybody or asyncio.Event()
    if len(together) == count:
        everybody.set()
    await everybody.wait()
    return os.getpid()


@app.task
async def wait_for(key, file):
    """Runs until the file is there."""
    note("start", key)
    while not os.path.exists(os.path.join(HERE, file)):
        await asyncio.sleep(0.05)
    note("end", key)
    return os.getpid()


@app.task
async def cleans_up(key):
    note("start", key)
    try:
        await asyncio.sleep(60)
    except SoftTimeLimitExceeded:
        await asyncio.sleep(0.01)
        return "clean"


@app.task
async def deaf(key, seconds):
    """Blocks the loop."""
    note("start", key)
    time.sleep(seconds)


@app.task
def plain_sleep(seconds):
    time.sleep(seconds)
    return here.get()


@app.task
async def sees(value):
    before = here.get()
    here.set(value)
    await asyncio.sleep(0)
    return [before, here.get()]


@app.task
async def leaves(how):
    async def child():
        raise SystemExit(how)
    if how == "child":
        asyncio.create_task(child())
        await asyncio.sleep(0.05)
    elif how == "stop":
        asyncio.get_running_loop().stop()
        await asyncio.sleep(0.05)
    elif how == "all":
        for one in asyncio.all_tasks() - {asyncio.current_task()}:
            one.cancel()
    else:
        raise SystemExit(how)
    return "went on"


class Client:
    """Bound to the loop it was made on, as clients of databases are."""

    def __init__(self):
        self.loop = asyncio.get_running_loop()
        self.lock = asyncio.Lock()
        self.questions, self.replies = asyncio.Queue(), asyncio.Queue()
        self.answering = asyncio.create_task(self.answer())

    async def answer(self):
        while True:
            await self.replies.put(await self.questions.get())

    async def ask(self, question):
        async with self.lock:
            await self.questions.put(question)
            return await self.replies.get()


clients = threading.local()


@app.task
async def asks(question):
    if not hasattr(clients, "one"):
        clients.one = Client()
    assert clients.one.loop is asyncio.get_running_loop()
    return await clients.one.ask(question)


async def numbers():
    try:
        yield 1
        yield 2
    finally:
        await asyncio.sleep(0)
        note("end", "numbers")


@app.task
async def breaks_off():
    async for number in numbers():
        return number


@app.task
async def nested(number):
    async with asyncio.TaskGroup() as group, asyncio.timeout(30):
        tasks = [group.create_task(asyncio.sleep(0.001, one)) for one in range(number)]
    return sum(task.result() for task in tasks)
'''


@pytest.fixture
def project(project: Any) -> Any:
    """The project, with tasks that await."""
    tasks = project.folder / "tasks.py"
    limits = "\nfrom kernelq.exceptions import SoftTimeLimitExceeded\n"
    tasks.write_text(tasks.read_text() + limits + MORE_TASKS)
    return project


def results(sent: list[Any], timeout: float = 60.0) -> list[Any]:
    """Return what each task has returned."""
    until = time.monotonic() + timeout
    return [one.get(timeout=max(until - time.monotonic(), 0.1)) for one in sent]


@pytest.mark.slow
def test_two_thousand_coroutines_run_at_the_same_time(project: Any, start: Any) -> None:
    start("-P", "asyncio", "-c", "2000").ready()

    sent = [project.send("meet", 2000) for _ in range(2000)]

    assert 1 == len(set(results(sent)))


def test_nobody_has_to_say_how_many(project: Any, start: Any) -> None:
    worker = start("-P", "asyncio").ready()

    assert "100 (asyncio)" in worker.log
    assert 1 == len(set(results([project.send("meet", 100) for _ in range(100)])))


@pytest.mark.slow
def test_limits_end_one_task_and_harm_no_other(project: Any, start: Any, until: Any) -> None:
    """A soft limit can be caught where the task awaits; a hard one ends it, and not its host."""
    start("-P", "asyncio", "-c", "1100").ready()
    others = [project.send("wait_for", f"o{n}", "go") for n in range(1000)]
    until(lambda: len(project.counts("start")) == 1000, "a thousand tasks to start", 60)

    clean = project.send("cleans_up", "clean", soft_time_limit=0.5)
    soft = project.send("wait_for", "soft", "never", soft_time_limit=0.5)
    hard = project.send("wait_for", "hard", "never", time_limit=0.5)
    thread = project.send("plain_sleep", 1.0, time_limit=0.5)

    assert "clean" == clean.get(timeout=60)
    with pytest.raises(SoftTimeLimitExceeded):
        soft.get(timeout=60)
    for one in (hard, thread):
        with pytest.raises(TimeLimitExceeded):
            one.get(timeout=60)
    project.let_go("go")
    assert {project.pid_of("soft")} == set(results(others))
    assert 1 == max(project.counts("start").values())


@pytest.mark.slow
def test_a_task_that_blocks_the_loop_has_its_host_replaced(project: Any, start: Any) -> None:
    """It cannot be interrupted; its neighbour runs again in another host, and none waits for the 60 seconds."""
    start("-P", "asyncio", "-c", "10").ready()

    neighbour = project.send("wait_for", "neighbour", "go")
    blocked = project.pid_of("neighbour")
    began = time.monotonic()
    deaf = project.send("deaf", "deaf", 60, time_limit=1)
    project.pid_of("deaf")
    project.let_go("go")

    with pytest.raises(TimeLimitExceeded):
        deaf.get(timeout=60)
    assert neighbour.get(timeout=60)
    assert time.monotonic() - began < 45
    assert "plain" == project.send("work", "plain", 0).get(timeout=60)
    with pytest.raises(ProcessLookupError):
        os.kill(blocked, 0)


@pytest.mark.slow
def test_terminating_one_of_many_leaves_none_undone(project: Any, start: Any, until: Any) -> None:
    start("-P", "asyncio", "-c", "300").ready()
    others = [project.send("wait_for", f"o{n}", "go") for n in range(200)]
    one = project.send("wait_for", "one", "never")
    until(lambda: len(project.counts("start")) == 201, "all to start")

    project.app.control.revoke(one.id, terminate=True)

    with pytest.raises(Exception, match="terminated"):
        one.get(timeout=60)
    project.let_go("go")
    assert 200 == len(results(others))


@pytest.mark.slow
def test_a_killed_host_costs_its_tasks_a_redelivery(project: Any, start: Any, until: Any) -> None:
    worker = start("-P", "asyncio", "-c", "600").ready()
    sent = [project.send("wait_for", f"k{n}", "go") for n in range(500)]
    until(lambda: len(project.counts("start")) == 500, "all to start")

    os.kill(project.pid_of("k0"), signal.SIGKILL)
    project.let_go("go")

    assert 500 == len(results(sent))
    assert {f"k{n}" for n in range(500)} == set(project.counts("end"))
    assert worker.process.poll() is None


def test_a_warm_shutdown_lets_coroutines_end(project: Any, start: Any, until: Any) -> None:
    worker = start("-P", "asyncio", "-c", "100").ready()
    sent = [project.send("wait_for", f"k{n}", "go") for n in range(50)]
    until(lambda: len(project.counts("start")) == 50, "all to start")

    worker.signal(signal.SIGTERM)
    worker.wait_for("shutdown")
    project.let_go("go")

    assert 0 == worker.exit_code()
    assert 50 == len(results(sent))
    assert 50 == sum(project.counts("end").values())


@pytest.mark.parametrize("how", ["itself", "child", "stop", "all"])
def test_no_task_ends_the_loop(project: Any, start: Any, how: str) -> None:
    """Neither SystemExit, in the task or in one of its own, nor a stopped loop, nor every task cancelled."""
    start("-P", "asyncio", "-c", "10").ready()
    neighbour = project.send("wait_for", "neighbour", "go")
    pid = project.pid_of("neighbour")

    result = project.send("leaves", how)
    result.get(timeout=20, propagate=False)
    project.let_go("go")

    neighbour.get(timeout=20, propagate=False)
    assert ("FAILURE" if how == "all" else "SUCCESS") == neighbour.state
    assert ("FAILURE" if how == "itself" else "SUCCESS") == result.state
    assert pid == project.send("wait_for", "after", "go").get(timeout=60)


def test_plain_functions_run_in_as_many_threads_as_there_are_slots(project: Any, start: Any, until: Any) -> None:
    """None waits for another, and coroutines go on beside them."""
    start("-P", "asyncio", "-c", "120").ready()

    sent = [project.send("until_let_go", f"go{n}") for n in range(100)]
    until(lambda: len(project.counts("start")) == 100, "all to start")
    assert [None, 5] == project.send("sees", 5).get(timeout=60)
    for number in range(100):
        project.let_go(f"go{number}")

    assert [f"go{n}" for n in range(100)] == results(sent)


POOLS = {
    "asyncio": ("-P", "asyncio", "-c", "8"),
    "prefork": ("-P", "prefork", "-c", "2"),
    "threads": ("-P", "threads", "-c", "4"),
    "solo": ("-P", "solo"),
}


@pytest.mark.parametrize("pool", sorted(POOLS))
def test_async_tasks_run_in_every_pool(project: Any, start: Any, until: Any, pool: str) -> None:
    """Context variables are each job's own; loops are kept, so clients bound to them serve task after task."""
    start(*POOLS[pool]).ready()

    seen = [project.send("sees", n) for n in range(20)]
    asked = [project.send("asks", n) for n in range(20)]
    summed = [project.send("nested", n) for n in range(20)]

    assert [[None, n] for n in range(20)] == results(seen)
    assert list(range(20)) == results(asked)
    assert [n * (n - 1) // 2 for n in range(20)] == results(summed)


@pytest.mark.parametrize("pool", sorted(POOLS))
def test_broken_off_generators_are_closed(project: Any, start: Any, until: Any, pool: str) -> None:
    worker = start(*POOLS[pool]).ready()

    assert 1 == project.send("breaks_off").get(timeout=60)
    worker.signal(signal.SIGTERM)

    assert 0 == worker.exit_code()
    assert 1 == project.counts("end")["numbers"]


@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_limits_reach_async_tasks_in_other_pools(project: Any, start: Any, pool: str) -> None:
    """Also one whose loop has nothing to do."""
    start(*POOLS[pool]).ready()

    clean = project.send("cleans_up", "clean", soft_time_limit=0.5)
    hard = project.send("cleans_up", "hard", time_limit=0.5)

    assert "clean" == clean.get(timeout=60)
    with pytest.raises(TimeLimitExceeded):
        hard.get(timeout=60)
