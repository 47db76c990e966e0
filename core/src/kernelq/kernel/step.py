"""A step: one part of a worker with a lifetime."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from kernelq.kernel.errors import site

if TYPE_CHECKING:
    from kernelq.kernel.keys import Context, Key
    from kernelq.kernel.settings import Settings


class Step:
    """One part of a worker with a lifetime.

    A step says which keys it needs and which it sets; the blueprint derives the order from that. Register it under
    the entry-point group ``kernelq.steps.worker`` or ``kernelq.steps.consumer``; its name is the entry point's name.
    In an app of your own, ``app.add_step(MyStep)`` is the same. A class is never changed by being resolved, and each
    start of a blueprint makes a new instance.
    """

    name: ClassVar[str] = ""
    """The name for a step that is added in code; an entry point's name wins. Default: the class's name."""
    requires: ClassVar[tuple[Key[Any], ...]] = ()
    """Keys that this step cannot run without. It starts after their providers and stops before them."""
    wants: ClassVar[tuple[Key[Any], ...]] = ()
    """Keys it uses where present (``ctx.get(KEY)``). They order it as `requires` does."""
    provides: ClassVar[tuple[Key[Any], ...]] = ()
    """Keys it sets in `start`. A key has one provider."""
    after: ClassVar[tuple[str, ...]] = ()
    """Names of steps to start after, where no key expresses it. Steps that are absent are passed over."""
    before: ClassVar[tuple[str, ...]] = ()
    """Names of steps to start before, where no key expresses it."""
    declared_at: ClassVar[str] = f"{__file__}:1"
    """File and line of the class statement; set when the class is made."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.declared_at = site(2)

    @classmethod
    def enabled(cls, settings: Settings) -> bool | str:
        """Return True, or in words why the step is off: ``"off: --autoscale not given"``."""
        return True

    def start(self, ctx: Context) -> None:
        """Start, synchronously: when it returns, everything in `provides` is set and works.

        An exception stops, in reverse order, the steps that had started, this one included.
        """

    def stop(self, ctx: Context) -> None:
        """Stop and wait for the end. May be called before `start`, after a failed one, and twice."""

    def terminate(self, ctx: Context) -> None:
        """Stop at once, without waiting for what runs. Default: `stop`."""
        self.stop(ctx)

    def run(self, ctx: Context) -> None:
        """Block until the blueprint is to stop. At most one step of a blueprint may define it (the event loop)."""

    def info(self, ctx: Context) -> dict[str, Any]:
        """Return a JSON-able dict for `inspect stats`, under the step's name."""
        return {}
