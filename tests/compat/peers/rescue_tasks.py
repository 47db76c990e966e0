"""Tasks that note what they do in a ledger, for an app of either kind."""

import os
import time

FOLDER = os.environ.get("COMPAT_FOLDER", ".")


def note(word, key):
    """One line by one write to a file opened for appending: it survives SIGKILL."""
    fd = os.open(os.path.join(FOLDER, "ledger"), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.write(fd, f"{time.monotonic():.6f} {word} {key} {os.getpid()}\n".encode())
    os.close(fd)


def work(key):
    note("start", key)
    note("end", key)


def until_let_go(key):
    note("start", key)
    while not os.path.exists(os.path.join(FOLDER, key)):
        time.sleep(0.01)
    note("end", key)


def register(app):
    """Give the tasks to an app."""
    app.task(name="compat.work", ignore_result=True)(work)
    app.task(name="compat.until_let_go", ignore_result=True)(until_let_go)
