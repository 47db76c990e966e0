"""Workers with the pool gevent: a thousand greenlets in one patched host, and a supervisor that knows nothing of it."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from kernelq_testkit import eventually

TASKS = '''
import asyncio, logging, queue, subprocess
from kernelq.context import current

BARRIER = threading.Barrier(1000)
log = logging.getLogger("project")


@app.task(bind=True)
def meet(self):
    """Ends when a thousand of it run."""
    BARRIER.wait(50)
    return self.request.id == current().id and self.request.id


@app.task
async def meet_async():
    """Does the same as a coroutine; the event loop is one for all."""
    global met
    met = globals().get("met", 0) + 1
    while met < 1000:
        await asyncio.sleep(0.05)
    return current().id


@app.task
def hold(key):
    """Runs until the file of that name is there, without much ado."""
    note("start", key)
    while not os.path.exists(os.path.join(HERE, key)):
        time.sleep(0.2)
    note("end", key)
    return os.getpid()


@app.task
def spin(key):
    note("start", key)
    while True:
        pass


@app.task
def careful(key):
    note("start", key)
    try:
        time.sleep(60)
    except Exception as error:
        return type(error).__name__


@app.task
async def careful_async(key):
    note("start", key)
    try:
        await asyncio.sleep(60)
    except Exception as error:
        return type(error).__name__


@app.task
def sends():
    return add.delay(1, 2).id


@app.task
async def sends_async():
    return add.delay(3, 4).id


@app.task
def world():
    """What a task may use of Python; it says what it found."""
    import select, socket
    one, other = socket.socketpair()
    threading.Timer(0.02, one.send, [b"x"]).start()
    received = other.recv(1) if select.select([other], [], [], 20)[0] else None
    box = queue.Queue()
    thread = threading.Thread(target=lambda: box.put(threading.current_thread().name), name="theirs")
    thread.start()
    thread.join()
    log.info("logged by %s", "a task")
    return {
        "socket": received.decode(),
        "thread": box.get(timeout=20),
        "program": subprocess.run(["echo", "said"], capture_output=True, text=True).stdout.strip(),
        "lock": type(threading.Lock()).__module__,
        "main": threading.main_thread() is threading.current_thread(),
    }
'''


@pytest.fixture
def project(project: Any) -> Any:
    """The project, with tasks for greenlets."""
    with (project.folder / "tasks.py").open("a") as file:
        file.write(TASKS)
    return project


def send_many(project: Any, name: str, count: int, *args: Any) -> list[Any]:
    """Send one task many times."""
    results = project.app.send_many([project.app.signature(f"tasks.{name}", args=args) for _ in range(count)])
    return list(results)


def hold(project: Any, count: int) -> list[Any]:
    """Have `count` tasks run until the file ``go`` is there."""
    held = send_many(project, "hold", count, "go")
    eventually(lambda: project.counts("start")["go"] >= count, 60)
    return held


def ask(project: Any, command: str, **arguments: Any) -> Any:
    """Return the one worker's answer; that it comes within a second is for `nox -s chaos` to measure."""
    replies = project.app.control.broadcast(command, arguments, reply=True, timeout=30, limit=1)
    assert replies, f"{command} was not answered"
    return replies[0]["w1@test"]


def children(pid: int) -> list[int]:
    """Return the processes that a process has started."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def has_gevent(pid: int) -> bool:
    """Tell whether a process has loaded gevent's modules."""
    return "/gevent/" in Path(f"/proc/{pid}/maps").read_text()


@pytest.mark.slow
def test_a_thousand_tasks_run_at_the_same_time(project: Any, start: Any) -> None:
    """Each knows its own request; `async def` tasks do too."""
    worker = start("-P", "gevent", "-c", "1000").ready()

    for name in ("meet", "meet_async"):
        results = send_many(project, name, 1000)
        assert [result.id for result in results] == [result.get(timeout=60) for result in results]

    assert any(map(has_gevent, children(worker.process.pid)))
    assert not has_gevent(worker.process.pid), "the supervisor is not patched"
    assert "Warning" not in worker.log


@pytest.mark.slow
def test_control_answers_while_every_slot_is_busy(project: Any, start: Any) -> None:
    start("-P", "gevent", "-c", "500").ready()
    held = hold(project, 500)

    assert {"ok": "pong"} == ask(project, "ping")
    eventually(lambda: len(ask(project, "active")) == 500, 20)
    assert "gevent" == ask(project, "stats")["pool"]["implementation"]

    project.let_go("go")
    assert 1 == len({result.get(timeout=60) for result in held})


def test_tasks_use_what_python_has(project: Any, start: Any) -> None:
    """Sockets, threads, queues, programs, logs, and the sender: from a greenlet, and from a coroutine."""
    worker = start("-P", "gevent", "-c", "10").ready()

    assert {
        "socket": "x", "thread": "theirs", "program": "said", "lock": "gevent.thread", "main": False,
    } == project.send("world").get(timeout=30)  # fmt: skip
    worker.wait_for("logged by a task")
    for name, total in (("sends", 3), ("sends_async", 7)):
        sent = project.send(name).get(timeout=30)
        assert total == project.app.AsyncResult(sent).get(timeout=30)


def test_a_soft_limit_is_raised_where_the_task_waits(project: Any, start: Any) -> None:
    start("-P", "gevent", "-c", "10").ready()

    for name in ("careful", "careful_async"):
        result = project.send(name, name, soft_time_limit=0.3)
        assert "SoftTimeLimitExceeded" == result.get(timeout=30)


def test_a_hard_limit_ends_one_task_of_many(project: Any, start: Any) -> None:
    """The others run on in the same host."""
    start("-P", "gevent", "-c", "10").ready()
    (held,) = hold(project, 1)
    host = project.pid_of("go")

    for name in ("careful", "careful_async"):
        with pytest.raises(Exception, match="TimeLimitExceeded"):
            project.send(name, name, time_limit=0.5).get(timeout=30)
    project.let_go("go")

    assert host == held.get(timeout=30)
    assert 1 == project.counts("start")["go"]


@pytest.mark.slow
def test_a_task_that_gives_no_way_has_its_host_replaced(project: Any, start: Any) -> None:
    """Control answers meanwhile, and the tasks beside it are run again."""
    start("-P", "gevent", "-c", "10").ready()
    held = hold(project, 3)

    spinning = project.send("spin", "spin", time_limit=1)
    first = project.pid_of("spin")
    assert {"ok": "pong"} == ask(project, "ping")
    with pytest.raises(Exception, match="TimeLimitExceeded"):
        spinning.get(timeout=40)
    project.let_go("go")

    assert {first}.isdisjoint(result.get(timeout=40) for result in held)
    assert 1 == project.counts("start")["spin"]


def test_terminate_ends_a_running_task(project: Any, start: Any) -> None:
    start("-P", "gevent", "-c", "10").ready()
    doomed = project.send("careful", "doomed")
    project.pid_of("doomed")

    ask(project, "revoke", task_id=[doomed.id], terminate=True, signal="TERM")

    with pytest.raises(Exception, match="terminated"):
        doomed.get(timeout=30)
    assert 3 == project.send("add", 1, 2).get(timeout=30)


def test_the_end_is_warm(project: Any, start: Any) -> None:
    """Tasks that run end; the worker leaves with 0."""
    worker = start("-P", "gevent", "-c", "100").ready()
    held = hold(project, 100)

    worker.signal(signal.SIGTERM)
    worker.wait_for("warm shutdown")
    project.let_go("go")

    assert 0 == worker.exit_code(60)
    assert 100 == project.counts("end")["go"]
    assert 1 == len({result.get(timeout=30) for result in held})


@pytest.mark.slow
def test_a_killed_host_loses_nothing(project: Any, start: Any) -> None:
    """Five hundred in flight: all run again in the next host."""
    worker = start("-P", "gevent", "-c", "500").ready()
    held = hold(project, 500)
    host = project.pid_of("go")

    os.kill(host, signal.SIGKILL)
    project.let_go("go")

    assert {host}.isdisjoint(result.get(timeout=90) for result in held)
    assert project.counts("end")["go"] >= 500
    assert worker.process.poll() is None
