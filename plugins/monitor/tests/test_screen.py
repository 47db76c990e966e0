"""The live view, driven by keys as a person would."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest
from textual.widgets import Input, Static

from kernelq_monitor.dialogs import Ask, Confirm, Details
from kernelq_monitor.listing import Listing

SIZE = (140, 40)


async def until(pilot: Any, condition: Callable[[], Any], wanted: str) -> None:
    """Let the view go on until `condition` holds."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, wanted
        await pilot.pause(0.01)


def shown(table: Listing, column: str) -> list[str]:
    return [cell.plain for cell in table.get_column(column)]


def text(view: Any) -> str:
    return "\n".join(str(one.render()) for one in view.screen.query(Static))


async def test_workers_and_tasks_are_shown_newest_first(monitor):
    async with monitor.run_test(size=SIZE):
        assert ["w1@h"] == shown(monitor.workers_table, "worker")
        assert (["ONLINE"], ["7"], ["0.50 0.25 0.12"]) == tuple(
            shown(monitor.workers_table, name) for name in ("state", "processed", "load")
        )
        assert ["ccc", "bbb", "aaa"] == shown(monitor.tasks_table, "uuid")
        assert ["STARTED", "FAILURE", "SUCCESS"] == shown(monitor.tasks_table, "state")
        assert "0.125" == shown(monitor.tasks_table, "runtime")[2].strip()
        assert "1/1 workers" in str(monitor.query_one("#summary", Static).render())


async def test_it_follows_the_newest_until_the_cursor_is_moved(monitor, scene, watch):
    async with monitor.run_test(size=SIZE) as pilot:
        table = monitor.tasks_table
        assert "ccc" == table.selected
        scene.run("ddd")
        await until(pilot, lambda: "ddd" == table.selected, "the newest is selected")

        await pilot.press("down")
        assert "ccc" == table.selected
        scene.run("eee")
        await until(pilot, lambda: "eee" in shown(table, "uuid"), "a new task")
        assert "ccc" == table.selected

        await pilot.press("f")
        await until(pilot, lambda: "eee" == table.selected, "the newest is followed again")


async def test_a_task_that_goes_on_is_changed_in_place(monitor, scene):
    async with monitor.run_test(size=SIZE) as pilot:
        await pilot.press("s")  # by id, so that the order stays
        scene.send("task-succeeded", uuid="ccc", result="18", runtime=2.5)
        await until(pilot, lambda: "SUCCESS" == shown(monitor.tasks_table, "state")[0], "the end of the task")
        assert ["ccc", "bbb", "aaa"] == shown(monitor.tasks_table, "uuid")


async def test_all_about_a_task_is_shown_and_closed_again(monitor):
    async with monitor.run_test(size=SIZE) as pilot:
        await pilot.press("down", "i")
        assert isinstance(monitor.screen, Details)
        told = text(monitor)
        for part in ("ValueError('[red]')", "Traceback:\n  line 1\\x1b[2J", "(2, 3)", "FAILURE", "w1@h"):
            assert part in told
        await pilot.press("escape")
        await pilot.press("enter")
        assert isinstance(monitor.screen, Details)
        await pilot.press("q")
        assert not isinstance(monitor.screen, Details)


async def test_all_about_a_worker(monitor):
    async with monitor.run_test(size=SIZE) as pilot:
        monitor.workers_table.focus()
        await pilot.press("i")
        assert "kernelq" in text(monitor)
        assert "loadavg" in text(monitor)


@pytest.mark.parametrize(("key", "terminate"), [("r", False), ("t", True)])
async def test_a_task_is_revoked_after_a_question(monitor, scene, key, terminate):
    async with monitor.run_test(size=SIZE) as pilot:
        await pilot.press(key)
        assert isinstance(monitor.screen, Confirm)
        await pilot.press("n")
        await pilot.press(key, "y")
        await until(pilot, lambda: [one for one in scene.commands if one[0] == "revoke"], "a command")
        ((_, arguments),) = (one for one in scene.commands if one[0] == "revoke")
        assert ("ccc", terminate) == (arguments["task_id"], arguments["terminate"])
        await until(pilot, lambda: monitor._notifications, "the answer")
        assert ["w1@h: revoke done"] == [one.message for one in monitor._notifications]


async def test_the_rate_of_a_type_is_limited(monitor, scene):
    async with monitor.run_test(size=SIZE) as pilot:
        await pilot.press("l")
        assert isinstance(monitor.screen, Ask)
        await pilot.press(*"10/m", "enter")
        await until(pilot, lambda: [one for one in scene.commands if one[0] == "rate_limit"], "a command")
        assert ("rate_limit", {"task_name": "shop.add", "rate_limit": "10/m"}) in scene.commands
        await pilot.press("l", "escape")
        assert not isinstance(monitor.screen, Ask)


async def test_workers_are_asked_for_task_events(monitor, scene):
    async with monitor.run_test(size=SIZE) as pilot:
        await pilot.press("e")
        await until(pilot, lambda: ("enable_events", {}) in scene.commands, "a command")


async def test_a_search_leaves_what_matches(monitor):
    async with monitor.run_test(size=SIZE) as pilot:
        await pilot.press("slash", *"add star")
        assert ["ccc"] == shown(monitor.tasks_table, "uuid")
        await pilot.press("enter")
        assert monitor.tasks_table.has_focus
        await pilot.press("escape")
        assert 3 == len(shown(monitor.tasks_table, "uuid"))
        assert not monitor.query_one("#search", Input).display


async def test_tables_are_sorted_by_any_column(monitor):
    async with monitor.run_test(size=SIZE) as pilot:
        await pilot.press("s", "o")
        assert ["aaa", "bbb", "ccc"] == shown(monitor.tasks_table, "uuid")
        await pilot.press("s", "o")
        assert ["shop.mul", "shop.add", "shop.add"] == shown(monitor.tasks_table, "name")


async def test_keys_do_nothing_where_there_is_nothing(cluster, watch):
    from kernelq_monitor.screen import Monitor

    view = Monitor(watch)
    async with view.run_test(size=SIZE) as pilot:
        await pilot.press("i", "r", "t", "l", "s", "o", "f", "down")
        assert 1 == len(view.screen_stack)


async def test_q_leaves(monitor):
    async with monitor.run_test(size=SIZE) as pilot:
        await pilot.press("q")
        await asyncio.wait_for(until(pilot, lambda: not monitor.is_running, "the end"), 30)


async def test_a_picture_can_be_made(monitor):
    async with monitor.run_test(size=SIZE):
        assert monitor.export_screenshot(title="kernelq events").startswith("<svg")
