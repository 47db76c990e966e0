"""Settings given as words on the command line: ``worker_concurrency=4``, ``worker.concurrency=4``, ``timezone=UTC``."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from kernelq.kernel.errors import BadSetting, ConfigurationError

if TYPE_CHECKING:
    from kernelq.conf import Conf

SOURCE = "command line"


def apply(conf: Conf, words: Iterable[str]) -> None:
    """Set the settings that `words` name. Raises `ConfigurationError`."""
    for word in words:
        name, separator, text = word.partition("=")
        if not separator:
            raise ConfigurationError(f"{word!r} is no setting; write NAME=VALUE, like worker_concurrency=4")
        put(conf, name.strip().replace(".", "_"), text)


def put(conf: Conf, name: str, text: str) -> None:
    """Set one setting from its text: JSON where that fits the setting (``4``, ``true``, ``["a"]``), else as it is.

    Raises `ConfigurationError`.
    """
    try:
        conf.update({name: _value(text)}, source=SOURCE)
    except BadSetting as wrong:
        try:
            conf.update({name: text}, source=SOURCE)
        except BadSetting as error:
            # the number that is out of range is wrong as a number, not as the text it was
            raise (wrong if isinstance(_value(text), int | float) else error) from None


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return {"True": True, "False": False, "None": None}.get(text, text)
