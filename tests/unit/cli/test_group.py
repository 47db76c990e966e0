"""Commands are found by entry point, and loaded only when called."""

from __future__ import annotations

import textwrap


def test_help_and_completion_load_no_plugin_even_a_broken_one(broken, kernelq):
    shown = kernelq("--help")
    assert 0 == shown.returncode, shown.stderr
    assert "limp        Walk slowly." in shown.stdout
    done = kernelq(_KERNELQ_COMPLETE="bash_complete", COMP_WORDS="kernelq li", COMP_CWORD="1")
    assert "plain,limp\n" == done.stdout, done.stderr


def test_help_imports_nothing_heavy(kernelq):
    code = textwrap.dedent("""
        import sys
        from kernelq.cli.main import root
        try:
            root.main(["--help"])
        except SystemExit:
            heavy = {"kombu", "networkx", "stevedore", "pluggy", "rich", "asyncio", "kernelq_worker", "msgspec"}
            sys.exit(str(sorted(heavy & set(sys.modules))))
    """)
    assert "[]\n" == kernelq(code=code).stderr


def test_a_broken_command_fails_alone_and_says_why(broken, kernelq):
    done = kernelq("limp")
    assert 3 == done.returncode
    assert "from lame 1.0" in done.stderr
    assert "RuntimeError: imported" in done.stderr
    assert 0 == kernelq("config", "show").returncode
