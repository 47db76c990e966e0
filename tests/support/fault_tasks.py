"""The module of tasks that fault tests give to their workers, as text: it is written into the project's folder."""

SOURCE = '''
import asyncio, ctypes, json, os, signal, time
from kernelq import KernelQ

HERE = os.path.dirname(os.path.abspath(__file__))
with open(os.path.join(HERE, "settings.json")) as file:
    app = KernelQ("project", **json.load(file))
LEDGER = os.path.join(HERE, "ledger")


def note(word, key):
    """One line by one write to a file opened for appending: it survives SIGKILL, and needs no broker."""
    fd = os.open(LEDGER, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.write(fd, f"{time.monotonic():.6f} {word} {key} {os.getpid()}\\n".encode())
    os.close(fd)


@app.task(ignore_result=True)
def work(key, seconds=0.0):
    note("start", key)
    if seconds:
        time.sleep(seconds)
    note("end", key)


@app.task(ignore_result=True, acks_late=False)
def early(key):
    note("start", key)
    note("end", key)


@app.task(ignore_result=True)
async def awork(key, seconds=0.0):
    note("start", key)
    await asyncio.sleep(seconds)
    note("end", key)


@app.task
def until_let_go(key):
    """Runs until there is a file of that name."""
    note("start", key)
    while not os.path.exists(os.path.join(HERE, key)):
        time.sleep(0.01)
    note("end", key)
    return key


@app.task
def until_this_run_is_let_go(key):
    """Runs until there is a file of its key and its process; returns the process."""
    note("start", key)
    while not os.path.exists(os.path.join(HERE, f"{key}.{os.getpid()}")):
        time.sleep(0.01)
    note("end", key)
    return os.getpid()


@app.task
def poison(key):
    """Kills its host, each time."""
    note("start", key)
    os.kill(os.getpid(), signal.SIGKILL)


@app.task
def kill_worker(key):
    """Kills the main process of its worker, which leads the session, each time."""
    note("start", key)
    os.kill(os.getsid(0), signal.SIGKILL)
    time.sleep(60)


@app.task
def hold_the_gil(key, seconds):
    """Sleeps in C without letting any other thread of this process run Python."""
    note("start", key)
    ctypes.PyDLL(None).usleep(int(seconds * 1_000_000))
    note("end", key)


@app.task(ignore_result=True)
def spin(key, seconds):
    """Computes in Python."""
    note("start", key)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass
    note("end", key)
'''
