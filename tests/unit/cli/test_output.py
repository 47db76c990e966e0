"""Formats: for people, for programs, for cut."""

from __future__ import annotations

import attrs

from kernelq.cli.output import Output, table


def test_plain_output_is_for_cut(app, run):
    assert "celery\t3\t1\t2\t1\tno\nmail\t0\t0\t0\t1\tno\n" == run("queues", "-o", "plain").stdout


def test_a_format_that_a_command_has_not_is_a_usage_error(app, run):
    assert "Did you mean 'json'?" in run("status", "-o", "jason").stderr
    assert 2 == run("status", "-o", "dot").exit_code


def test_what_a_worker_wrote_steers_no_terminal(app, run):
    app.transport.admin().letters[0] = attrs.evolve(app.transport.admin().letters[0], reason="\x1b[2Jgone\nand\tmore")
    result = run("dead", "ls", "-Q", "celery")
    assert "\\x1b[2Jgone and more" in result.stdout
    assert "\x1b" not in result.stdout


def test_wide_characters_keep_the_columns_aligned():
    rows = [{"name": "日本", "count": "x"}, {"name": "ab", "count": "y"}]
    assert ["NAME  COUNT", "日本  x", "ab    y"] == table(rows, ("name", "count"), Output())
