from __future__ import annotations

import socket
import threading

from kernelq_redis.bell import Bell


def test_it_wakes_who_waits():
    """From another thread; rung often, it is heard once."""
    bell = Bell()
    timer = threading.Timer(0.1, lambda: [bell.ring() for _ in range(10_000)])
    timer.start()
    assert bell.wait(60) is False
    timer.join()
    bell.silence()
    assert bell.wait(0.01) is False
    bell.close()
    bell.ring()


def test_it_tells_what_else_can_be_read():
    """The connection that its listener waits for."""
    bell = Bell()
    one, other = socket.socketpair()
    with one, other:
        one.sendall(b"x")
        assert bell.wait(60, other.fileno()) is True
    bell.close()
