"""Where settings come from beside code: the environment, TOML files, modules and objects."""

from __future__ import annotations

import json
import os
import sys
import types
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Union, get_args, get_origin

from kernelq.kernel.errors import BadSetting, ConfigurationError, UnknownSetting, did_you_mean

if TYPE_CHECKING:
    from kernelq.conf import Conf
    from kernelq.kernel.settings import Settings

PREFIX = "KERNELQ_"
NOT_SETTINGS = frozenset({"APP", "CONFIG", "DEBUG", "COMPLETE", "FAILPOINT"})
"""What else begins with ``KERNELQ_`` in the environment: the command line's and the worker's own."""
PASSED_OVER = ("_", "TEST_")
"""Beginnings, after the prefix, of what is neither: anybody's own, and the addresses that test suites take."""


def from_environment(environment: Mapping[str, str], settings: Settings) -> dict[str, Any]:
    """Return the settings in ``KERNELQ_BROKER_URL`` and its like, each of its setting's type.

    Text stands for itself; numbers and true/false for theirs; lists and mappings are JSON, a list also
    ``one,two``; empty is None where the setting may be None. What begins with ``KERNELQ__`` or
    ``KERNELQ_TEST_`` is passed over. Raises `UnknownSetting`, `BadSetting`.
    """
    found = {}
    for variable in sorted(environment):
        word = variable.removeprefix(PREFIX)
        if word == variable or word in NOT_SETTINGS or word.startswith(PASSED_OVER):
            continue
        name = word.lower()
        if name not in settings.names():
            raise UnknownSetting(
                f"the environment has {variable}, and there is no setting {name!r}."
                f"{did_you_mean(name, settings.names())} Type `kernelq config show` for all"
            )
        found[name] = parse(environment[variable], settings.type_of(name, "environment"), variable)
    return found


def parse(text: str, wanted: Any, variable: str = "the value") -> Any:
    """Return `text` as a value of the type `wanted`. Raises `BadSetting`."""
    origin = get_origin(wanted)
    choices = get_args(wanted) if origin in (Union, types.UnionType) else (wanted,)
    if not text and type(None) in choices:
        return None
    kinds = {get_origin(one) or one for one in choices}
    if bool in kinds and text.lower() in _BOOLEANS:
        return _BOOLEANS[text.lower()]
    for number in (int, float):
        if number in kinds:
            try:
                return number(text)
            except ValueError:
                continue
    if kinds & {list, tuple, dict, Mapping} and text[:1] in ("[", "{"):
        try:
            return json.loads(text)
        except ValueError as error:
            raise BadSetting(f"{variable} is no JSON: {error}") from None
    if str in kinds or Literal in kinds or Any in kinds:
        return text
    if kinds & {list, tuple}:
        return [part.strip() for part in text.split(",") if part.strip()]
    raise BadSetting(f"{variable} wants {wanted}, not {text!r}")


_BOOLEANS = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}


def from_file(path: Path) -> dict[str, Any]:
    """Return the settings of a TOML file: its table ``[tool.kernelq]``, ``[kernelq]``, or the whole.

    Raises `ConfigurationError` where it cannot be read or is no TOML.
    """
    import tomllib

    try:
        content: dict[str, Any] = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigurationError(f"the settings file {path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise ConfigurationError(f"the settings file {path} is no TOML: {error}") from None
    if path.name == "pyproject.toml":
        found: dict[str, Any] = content.get("tool", {}).get("kernelq", {})
        return {name: value for name, value in found.items() if name != "app"}  # which app: that is for `kernelq dev`
    table: dict[str, Any] = content.get("kernelq", content)
    return table


def from_object(source: Any, settings: Settings, namespace: str | None = None) -> dict[str, Any]:
    """Return the settings that a mapping, a module, or any object has as attributes.

    With `namespace` ``"CELERY"`` they are the names that begin with ``CELERY_``, in capitals, as in Django's settings.
    Without, they are the lower-case public names; in a module what it imports, defines as function or class is passed
    over where it is no setting's name. Raises `UnknownSetting`.
    """
    values = dict(source) if isinstance(source, Mapping) else _attributes(source)
    if namespace:
        prefix = namespace.rstrip("_").upper() + "_"
        return {name.removeprefix(prefix).lower(): value for name, value in values.items() if name.startswith(prefix)}
    if isinstance(source, Mapping):
        return values
    known = set(settings.names())
    return {
        name: value
        for name, value in values.items()
        if name in known
        or not (
            name.startswith("_")
            or not name.islower()
            or isinstance(value, types.ModuleType | types.FunctionType | type)
            or hasattr(value, "__module__")
        )
    }


def update_from_object(conf: Conf, source: Any, namespace: str | None = None) -> None:
    """Take settings from a mapping, an object, a module, or the name of one or of a TOML file; then the environment."""
    label = f"the object {getattr(source, '__name__', type(source).__name__)}"
    if isinstance(source, str):
        source, label = load(source)
    conf.update(from_object(source, conf, namespace), source=label)
    update_from_environment(conf, file=False)


def update_from_environment(conf: Conf, *, file: bool = True) -> None:
    """Take settings from the file or module that ``KERNELQ_CONFIG`` names, and those in the environment itself."""
    name = os.environ.get(f"{PREFIX}CONFIG")
    if file and name:
        source, label = load(name)
        conf.update(from_object(source, conf), source=label)
    for setting, value in from_environment(os.environ, conf).items():
        conf.update({setting: value}, source=f"the environment, {PREFIX}{setting.upper()}")


def load(name: str) -> tuple[Any, str]:
    """Return what ``--config`` names, and how it is called as a source: a TOML file's path, or a dotted module.

    Raises `ConfigurationError` where there is no such thing.
    """
    if name.endswith(".toml"):
        return from_file(Path(name)), f"the file {name}"
    module, _, attribute = name.partition(":")
    try:
        found = import_module(module)
    except ModuleNotFoundError as error:
        if error.name is not None and not (module == error.name or module.startswith(error.name + ".")):
            raise  # the module is there, and what it imports is not
        raise ConfigurationError(
            f"there is no module {module!r} to read settings from (looked in {', '.join(sys.path[:3])}, …); "
            f"name a module, or a file that ends in .toml"
        ) from None
    return (getattr(found, attribute) if attribute else found), f"the module {name}"


def _attributes(source: Any) -> dict[str, Any]:
    if isinstance(source, types.ModuleType):
        return dict(vars(source))
    return {name: getattr(source, name) for name in dir(source) if not name.startswith("_")}
