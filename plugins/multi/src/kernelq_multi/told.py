"""What `kernelq multi` says while it works; data that was asked for is printed elsewhere."""

from __future__ import annotations

from collections.abc import Callable

import attrs

from kernelq._version import __version__


@attrs.frozen
class Told:
    """Talks to a person."""

    say: Callable[[str], None]
    quiet: bool = False
    """Nothing is said but errors."""
    verbose: bool = False
    """Command lines are said too."""
    nosplash: bool = False

    def splash(self) -> None:
        """Say who speaks."""
        if not self.nosplash:
            self.note(f"kernelq multi v{__version__}")

    def note(self, text: str) -> None:
        """Say what happens."""
        if not self.quiet:
            self.say(text)

    def info(self, text: str) -> None:
        """Say what only the curious want to know."""
        if self.verbose:
            self.note(text)

    def error(self, text: str) -> None:
        """Say what went wrong."""
        self.say(text)
