"""The live view: workers above, tasks below, and the keys that steer them."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.widgets import DataTable, Footer, Input, Sparkline, Static

from kernelq.events.records import Task, Worker
from kernelq.kernel.errors import KernelQError
from kernelq_monitor.dialogs import Ask, Confirm, Details
from kernelq_monitor.listing import Listing
from kernelq_monitor.rows import TASKS, WORKERS, matches
from kernelq_monitor.steering import Steering
from kernelq_monitor.summary import DONE, summary
from kernelq_monitor.watch import Watch

INTERVAL = 1.0
"""Seconds between two looks at the state, where nobody says otherwise."""


class Monitor(App[None]):
    """Shows what a `Watch` sees, anew every `interval` seconds."""

    TITLE = "KernelQ"
    ENABLE_COMMAND_PALETTE = False
    CSS = """
    #top { height: 2; padding: 0 1; }
    #summary { width: 1fr; }
    #history { width: 60; height: 2; }
    #workers { height: auto; max-height: 30%; border: round $primary; }
    #tasks { height: 1fr; border: round $primary; }
    #search { display: none; border: round $accent; height: 3; }
    ModalScreen { align: center middle; }
    .dialog { width: 60; height: auto; max-height: 80%; border: round $accent; padding: 1 2; background: $surface; }
    .dialog.wide { width: 90%; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "quit", "quit"),
        Binding("i", "info", "info"),
        Binding("r", "revoke", "revoke"),
        Binding("t", "terminate", "terminate"),
        Binding("l", "rate_limit", "rate limit"),
        Binding("slash", "search", "search", key_display="/"),
        Binding("s", "sort", "sort"),
        Binding("o", "reverse", "order"),
        Binding("f", "follow", "follow"),
        Binding("e", "enable_events", "events on"),
        Binding("escape", "all", "show all", show=False),
    ]

    def __init__(self, watch: Watch, interval: float = INTERVAL) -> None:
        super().__init__()
        self.interval = interval
        self.watch_ = watch
        self.steering = Steering(watch.app)
        self.words: list[str] = []
        """What is searched for; tasks that lack one of them are not shown."""

    def compose(self) -> ComposeResult:
        """Lay out the view."""
        with Horizontal(id="top"):
            yield Static(id="summary")
            yield Sparkline([], id="history")
        yield Listing(WORKERS, lambda worker: worker.hostname, id="workers", reverse=False, following=False)
        yield Listing(TASKS, lambda task: task.uuid, id="tasks", reverse=True, following=True)
        yield Input(placeholder="search: words of id, name, worker, state, arguments", id="search")
        yield Footer()

    def on_mount(self) -> None:
        """Begin to look."""
        self.workers_table.border_title, self.tasks_table.border_title = "workers", "tasks"
        self.tasks_table.focus()
        self.look()
        self.set_interval(self.interval, self.look)

    @property
    def workers_table(self) -> Listing:
        """The table above."""
        return self.query_one("#workers", Listing)

    @property
    def tasks_table(self) -> Listing:
        """The table below."""
        return self.query_one("#tasks", Listing)

    def look(self) -> None:
        """Show the state as it is now."""
        watch = self.watch_
        watch.tick()
        if not self.is_running or len(self.screen_stack) > 1:
            return  # what is open over the tables is read
        self.query_one("#summary", Static).update(summary(watch))
        self.query_one("#history", Sparkline).data = watch.throughput.history(*DONE)
        workers, tasks = watch.state.freeze_while(
            lambda: (list(watch.state.workers.values()), list(watch.state.tasks.values()))
        )
        self.workers_table.show(workers)
        self.tasks_table.show([task for task in tasks if matches(task, self.words)] if self.words else tasks)
        self.tasks_table.border_subtitle = f"search: {' '.join(self.words)}" if self.words else ""

    # What is selected

    def selected_task(self) -> Task | None:
        """Return the task that the keys are for."""
        return self.watch_.state.tasks.get(self.tasks_table.selected or "")

    def selected_worker(self) -> Worker | None:
        """Return the worker that is selected, where the table of workers has the focus."""
        table = self.workers_table
        return self.watch_.state.workers.get(table.selected or "") if table.has_focus else None

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        """Show all about the line on which Enter was hit."""
        self.action_info()

    def action_info(self) -> None:
        """Show all about the selected line."""
        worker, task = self.selected_worker(), self.selected_task()
        if worker is not None:
            self.push_screen(Details(worker.hostname, worker.as_dict()))
        elif task is not None:
            known = {name: value for name, value in task.as_dict().items() if value not in (None, [])}
            self.push_screen(Details(f"{task.name} {task.uuid}", known))

    # Steering

    def action_revoke(self) -> None:
        """Have the selected task not run."""
        task = self.selected_task()
        if task is not None:
            self._confirm(f"Revoke {task.name} {task.uuid}?", lambda: self.steering.revoke(task.uuid))

    def action_terminate(self) -> None:
        """End the selected task."""
        task = self.selected_task()
        if task is not None:
            self._confirm(f"End {task.name} {task.uuid} now?", lambda: self.steering.terminate(task.uuid))

    def action_rate_limit(self) -> None:
        """Limit the rate of the selected task's type."""
        task = self.selected_task()
        if task is None or task.name is None:
            return
        name = task.name

        def limit(given: str | None) -> None:
            if given:
                self._order(lambda: self.steering.rate_limit(name, given))

        self.push_screen(Ask(f"Rate limit of {name}; 0 lifts it", "10/m"), limit)

    def action_enable_events(self) -> None:
        """Have workers tell of their tasks."""
        self._order(self.steering.enable_events)

    def _confirm(self, question: str, order: Callable[[], str]) -> None:
        def answered(yes: bool | None) -> None:
            if yes:
                self._order(order)

        self.push_screen(Confirm(question), answered)

    def _order(self, order: Callable[[], str]) -> None:
        def give() -> None:
            try:
                text, failed = order(), False
            except KernelQError as error:
                text, failed = str(error), True
            self.call_from_thread(self.notify, text, severity="error" if failed else "information", markup=False)

        self.run_worker(give, thread=True, exit_on_error=False)

    # Looking

    def action_search(self) -> None:
        """Open the line to search in."""
        line = self.query_one("#search", Input)
        line.display = True
        line.focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Show what matches as it is typed."""
        if event.input.id == "search":
            self.words = event.value.lower().split()
            self.look()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Go back to the tasks that match."""
        if event.input.id == "search":
            event.input.display = bool(self.words)
            self.tasks_table.focus()

    def action_all(self) -> None:
        """Search for nothing any more."""
        line = self.query_one("#search", Input)
        line.value, line.display = "", False
        self.tasks_table.focus()

    def action_sort(self) -> None:
        """Sort the table with the focus by its next column."""
        self._focused_table().sort_next()
        self.look()

    def action_reverse(self) -> None:
        """Turn the order of the table with the focus."""
        table = self._focused_table()
        table.reverse = not table.reverse
        self.look()

    def action_follow(self) -> None:
        """Keep to the first task; moving the cursor ends that."""
        self.tasks_table.follow()
        self.look()

    def _focused_table(self) -> Listing:
        return self.workers_table if self.workers_table.has_focus else self.tasks_table
