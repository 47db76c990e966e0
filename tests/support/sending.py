"""An app whose messages go into a list instead of to a broker."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kernelq import KernelQ
from kernelq.kernel.discovery import Discovery
from kernelq.message import Message


class Recorder:
    """A sender that keeps what it is given, or raises the errors that it was given, one for each try."""

    def __init__(self, *errors: Exception) -> None:
        self.sent: list[Message] = []
        self.batches: list[int] = []
        self.errors = list(errors)
        self.tries = 0

    def publish(self, message: Message) -> None:
        self.publish_many([message])

    def publish_many(self, messages: Sequence[Message]) -> None:
        self.tries += 1
        if self.errors:
            raise self.errors.pop(0)
        self.sent.extend(messages)
        self.batches.append(len(messages))

    def close(self) -> None: ...


def recording_app(*errors: Exception, **settings: Any) -> tuple[KernelQ, Recorder]:
    """Return an app without plugins, and the sender that it publishes with."""
    settings.setdefault("result_backend", None)
    app = KernelQ("tests", discovery=Discovery(installed=False), **settings)
    recorder = Recorder(*errors)
    app.__dict__["sender"] = recorder
    return app, recorder
