"""Completion scripts."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(kernelq, shell):
    done = kernelq("completion", shell)
    assert 0 == done.returncode, done.stderr
    assert "_KERNELQ_COMPLETE" in done.stdout
