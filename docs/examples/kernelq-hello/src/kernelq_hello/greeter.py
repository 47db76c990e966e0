"""A step of the worker with a thread and a key of its own."""

from __future__ import annotations

import threading
from typing import Any

from kernelq.kernel.keys import Context, Key
from kernelq.kernel.settings import Settings
from kernelq.kernel.step import Step
from kernelq.keys import APP
from kernelq_hello.settings import HelloSettings


class Greeting:
    """What the step provides: a count of the seconds it has been polite, and whom it greets."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.count = 0

    def text(self) -> str:
        """Return the greeting."""
        return f"Hello, {self.name}!"


GREETING: Key[Greeting] = Key("hello.greeting", "the greeting that `inspect hello` answers with")


class Greeter(Step):
    """Greets once a second while the worker lives."""

    requires = (APP,)
    provides = (GREETING,)

    def __init__(self) -> None:
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    @classmethod
    def enabled(cls, settings: Settings) -> bool | str:
        """Return True, or why it is off."""
        return True if settings.section(HelloSettings).hello_name else "off: hello_name is empty"

    def start(self, ctx: Context) -> None:
        """Set the greeting and start the thread."""
        greeting = ctx[GREETING] = Greeting(ctx[APP].conf.section(HelloSettings).hello_name)
        self._thread = threading.Thread(target=self._greet, args=(greeting,), name="hello", daemon=True)
        self._thread.start()

    def stop(self, ctx: Context) -> None:
        """End the thread and wait for it."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()

    def info(self, ctx: Context) -> dict[str, Any]:
        """Return what `inspect stats` shows under the step's name."""
        return {"greetings": ctx[GREETING].count}

    def _greet(self, greeting: Greeting) -> None:
        while not self._ended.wait(1.0):
            greeting.count += 1
