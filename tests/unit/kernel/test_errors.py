"""Errors carry what the command line leaves with, and suggest the nearest name."""

from __future__ import annotations

import pytest

from kernelq.kernel import errors


def test_the_nearest_name_is_suggested_and_a_far_one_is_not():
    """A wrong suggestion is worse than none."""
    assert " Did you mean 'threads'?" == errors.did_you_mean("thread", ["solo", "threads"])
    assert "" == errors.did_you_mean("zzz", ["solo", "threads"])


@pytest.mark.parametrize(
    ("error", "code"),
    [(errors.KernelQError, 1), (errors.ConfigurationError, 3), (errors.BrokerLost, 4), (errors.BackendUnreachable, 4)],
)
def test_an_error_has_the_exit_code_of_its_kind(error, code):
    """1 negative, 3 configuration, 4 unreachable."""
    assert code == error.exit_code
