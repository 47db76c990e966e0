"""The default view, as text: the order of its lines is a promise."""

from __future__ import annotations

import pytest

from kernelq.cli.graph import lanes
from kernelq.cli.graph.model import build


def plain(words, **how):
    return words


def text(*lines):
    return "\n".join(lines)


def test_lanes_at_full_width(graph):
    assert text(
        "       wave  step        from            state  time  why",
        "●      0     Hub         kernelq-worker  on     -     needs nothing",
        "│ ●    0     Queues      kernelq-worker  on     -     needs nothing",
        "│ │ ●  0     StateDB     kernelq-worker  on     -     needs nothing",
        "● │ │  1     Timer       kernelq-worker  on     -     needs loop (Hub)",
        "● │ │  2     Pool        kernelq-worker  on     -     needs loop (Hub), timer (Timer)",
        "●─┴─╯  3     Consumer    kernelq-worker  on     -     needs loop (Hub), pool (Pool), queues (Queues…",
        "○      -     Autoscaler  kernelq-beat    off    -     --autoscale not given",
        "○      -     Beat        kernelq-beat    off    -     -B not given",
        "",
        f"worker: 6 steps in 4 waves · 2 off · plan {graph.digest[:12]}",
    ) == lanes.view(graph, 100, True, plain)


def test_lanes_on_a_narrow_terminal_without_unicode(graph):
    assert text(
        "      wave step       from   state time why",
        "*     0    Hub        worker on    -    needs nothing",
        "| *   0    Queues     worker on    -    needs nothing",
        "| | * 0    StateDB    worker on    -    needs nothing",
        "* | | 1    Timer      worker on    -    needs loop (Hub)",
        "* | | 2    Pool       worker on    -    needs loop (Hub), t.",
        "*-'-' 3    Consumer   worker on    -    needs loop (Hub), p.",
        "o     -    Autoscaler beat   off   -    --autoscale not giv.",
        "o     -    Beat       beat   off   -    -B not given",
        "",
        f"worker: 6 steps in 4 waves, 2 off, plan {graph.digest[:12]}",
    ) == lanes.view(graph, 60, False, plain)


def test_lanes_show_measured_times(plan):
    measured = build(plan, {"Hub": 0.0123})
    assert "12.3 ms" in lanes.view(measured, 100, True, plain).splitlines()[1]


@pytest.mark.parametrize("width", [40, 60, 80, 100, 200])
def test_no_line_of_lanes_is_wider_than_the_terminal(long_plan, width):
    view = lanes.view(build(long_plan), width, True, plain)
    assert width >= max(len(line) for line in view.splitlines())


def test_steps_that_wait_for_nobody_are_not_drawn_as_a_chain(make_plan):
    plan = make_plan("worker", [("A", 0, "a"), ("B", 0, "b"), ("C", 0, "c")], [])
    pictures = [line[:3].rstrip() for line in lanes.view(build(plan), 60, True, plain).splitlines()[1:4]]
    assert ["●", "  ●", "●"] == pictures


def test_more_lanes_than_fit_are_one_mark(make_plan):
    many = [f"S{n:02}" for n in range(40)]
    plan = make_plan(
        "worker", [*((name, 0, name.lower()) for name in many), ("End", 1, "end")], [(n, "End", None) for n in many]
    )
    last = lanes.view(build(plan), 60, True, plain).splitlines()[-3]
    assert last.startswith("●─┴─┴─┴─┴─┴─┴… 1    End")
