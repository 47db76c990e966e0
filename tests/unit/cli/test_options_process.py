"""Global options stand before or after the sub-command."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize(
    "words",
    [
        ["-A", "shop", "-b", "memory://", "-o", "plain", "config", "show", "--changed"],
        ["config", "show", "--changed", "-A", "shop", "-b", "memory://", "-o", "plain"],
        ["config", "-A", "shop", "show", "--broker", "memory://", "--changed", "--output=plain"],
        ["-b", "sqlite:///other.db", "config", "show", "--changed", "-A", "shop", "-b", "memory://", "-o", "plain"],
    ],
)
def test_global_options_stand_before_or_after_and_the_last_wins(kernelq, words):
    done = kernelq(*words)
    assert (0, "broker_url\tmemory://\tcommand line\n") == (done.returncode, done.stdout), done.stderr


def test_the_app_may_come_from_the_environment(kernelq):
    assert "Step39" in kernelq("steps", "graph", KERNELQ_APP="shop").stdout


def test_workdir_is_where_the_app_is_found(kernelq, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    (other / "there.py").write_text("from kernelq.app import KernelQ\napp = KernelQ('there', include=['there'])\n")
    assert "there" in kernelq("config", "show", "--workdir", str(other), "-A", "there").stdout
