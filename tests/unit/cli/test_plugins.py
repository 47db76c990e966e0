"""Which plugins there are, and which are broken."""

from __future__ import annotations


def test_plugins_ls_names_the_broken_ones(broken, kernelq):
    done = kernelq("plugins", "ls", "-o", "plain")
    assert 3 == done.returncode
    assert "kernelq.gates\tlame\tlame\t1.0\tbroken\n" in done.stdout
    assert "kernelq.cli\tconfig\tkernelq-core\t" in done.stdout
    assert 0 == kernelq("plugins", "ls", "--no-load").returncode


def test_plugins_info_of_a_distribution(broken, kernelq):
    assert "error         the plugin 'limp'" in kernelq("plugins", "info", "lame").stdout
    assert 3 == kernelq("plugins", "info", "nothing").returncode
