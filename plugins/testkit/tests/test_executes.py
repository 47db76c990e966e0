"""An executor that is one function."""

from __future__ import annotations

import asyncio

import attrs
import pytest

from kernelq.executor import Executor
from kernelq.job import Job
from kernelq.kernel.contracts.pool import Execute
from kernelq.outcome import Outcome
from kernelq_testkit.executes import Executes

JOB = Job(7, "t", "id", {}, b"", {}, "", "", {})


def told(job: Job) -> Outcome:
    return Outcome("SUCCESS", detail=str(job.id))


def test_the_function_runs_each_job():
    execute: Execute = Executes(told)

    assert ["7", "8"] == [execute(job).detail for job in (JOB, attrs.evolve(JOB, id=8))]
    assert "7" == asyncio.run(execute.execute_async(JOB)).detail
    assert not execute.is_async(JOB)


def test_an_interrupt_outside_of_the_function_is_a_failure():
    outcome = Executes(told).interrupted(JOB, KeyError("x"))

    assert ("FAILURE", "KeyError('x')") == (outcome.state, outcome.detail)


@pytest.mark.parametrize("name", ["__call__", "execute_async", "interrupted", "is_async"])
def test_it_has_what_an_apps_executor_has(name):
    assert callable(getattr(Executes, name))
    assert callable(getattr(Executor, name))
