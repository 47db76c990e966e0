"""Tracebacks begin with the task's own frame."""

from __future__ import annotations

import sys

from kernelq.errorinfo import LIMIT, error_info


def caught(function):
    try:
        function()
    except Exception as error:  # noqa: BLE001 - any will do here
        return error
    raise AssertionError


def test_the_text_and_the_exception_are_at_hand():
    error = caught(lambda: 1 / 0)
    info = error_info(error)

    assert info.startswith("Traceback (most recent call last):\n")
    assert info.endswith("ZeroDivisionError: division by zero\n")
    assert (str(info), ZeroDivisionError, error) == (info.traceback, info.type, info.exception)


def test_an_exception_without_a_traceback_is_its_last_line():
    assert "ValueError: no\n" == error_info(ValueError("no"))


def test_an_exception_whose_methods_raise_is_named():
    class Hostile(Exception):
        def __str__(self):
            raise RuntimeError

    def fail():
        raise Hostile

    assert "Hostile" in error_info(caught(fail)).splitlines()[-1]


def test_a_long_one_keeps_its_end_and_can_be_sent():
    info = error_info(ValueError("x" * LIMIT + "\ud800 end"))

    assert info.endswith("end\n")
    assert info.encode()
    assert len(info) <= LIMIT + 10


def test_the_cause_is_told():
    def fail():
        try:
            raise KeyError("first")
        except KeyError as error:
            raise ValueError("second") from error

    info = error_info(caught(fail))

    assert "KeyError: 'first'" in info
    assert sys.exc_info() == (None, None, None)
