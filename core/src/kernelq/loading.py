"""From the name that a person types after ``-A`` to the app."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from kernelq.app import KernelQ
from kernelq.kernel.errors import ConfigurationError, did_you_mean

USUAL_NAMES = ("app", "kernelq", "celery")


def load_app(name: str) -> KernelQ:
    """Return the app that `name` names: ``module:attribute``, ``module``, ``package``, or a file's path.

    Without an attribute it is the module's ``app``, else the one app that the module has, else that of the module's
    ``kernelq`` or ``celery`` sub-module. Raises `ConfigurationError`, which tells what was looked for.
    """
    where, _, attribute = name.partition(":")
    module = _module(where, name)
    if attribute:
        return _checked(_attribute(module, attribute, name), name)
    found = _in(module)
    if found is None and hasattr(module, "__path__"):
        for usual in USUAL_NAMES:
            try:
                found = _in(import_module(f"{module.__name__}.{usual}"))
            except ModuleNotFoundError as error:
                if error.name != f"{module.__name__}.{usual}":
                    raise
            if found is not None:
                break
    if found is None:
        raise ConfigurationError(
            f"-A {name}: the module {module.__name__} has no app; write `app = KernelQ({module.__name__!r})` in it, "
            f"or name another: -A {where}:attribute"
        )
    return found


def _module(where: str, asked: str) -> ModuleType:
    path = Path(where)
    if where.endswith(".py") or (("/" in where or "\\" in where) and path.exists()):
        return _from_path(path, asked)
    if not all(where.split(".")):
        raise ConfigurationError(f"-A {asked}: this names no module; write module:attribute or a path")
    try:
        return import_module(where)
    except ModuleNotFoundError as error:
        if error.name is None or not (where == error.name or where.startswith(error.name + ".")):
            raise  # the module is there, and what it imports is not
        raise ConfigurationError(
            f"-A {asked}: there is no module {where!r}; looked in {', '.join(p or '.' for p in sys.path[:3])}, …. "
            f"Start in the folder that has it, or give --workdir"
        ) from None


def _from_path(path: Path, asked: str) -> ModuleType:
    path = path.resolve()
    if path.is_dir():
        path = path / "__init__.py"
    if not path.is_file():
        raise ConfigurationError(f"-A {asked}: there is no file {path}")
    folder, stem = (path.parent.parent, path.parent.name) if path.stem == "__init__" else (path.parent, path.stem)
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))  # so that the worker's hosts and the module itself import it by its name
    loaded = sys.modules.get(stem)
    if loaded is not None and getattr(loaded, "__file__", None) == str(path):
        return loaded
    spec = spec_from_file_location(
        stem, path, submodule_search_locations=[str(path.parent)] if path.stem == "__init__" else None
    )
    if spec is None or spec.loader is None:
        raise ConfigurationError(f"-A {asked}: {path} is no Python file")
    module = module_from_spec(spec)
    sys.modules[stem] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        sys.modules.pop(stem, None)
        raise
    return module


def _attribute(module: ModuleType, dotted: str, asked: str) -> Any:
    value: Any = module
    for part in dotted.split("."):
        if not hasattr(value, part):
            raise ConfigurationError(
                f"-A {asked}: {module.__name__} has no {dotted!r}.{did_you_mean(part, _apps(module) or vars(module))}"
            )
        value = getattr(value, part)
    return value


def _in(module: ModuleType) -> KernelQ | None:
    for usual in USUAL_NAMES:
        candidate = getattr(module, usual, None)
        if isinstance(candidate, KernelQ):
            return candidate
    apps = {id(value): value for value in vars(module).values() if isinstance(value, KernelQ)}
    return next(iter(apps.values())) if len(apps) == 1 else None


def _apps(module: ModuleType) -> list[str]:
    return [name for name, value in vars(module).items() if isinstance(value, KernelQ)]


def _checked(value: Any, asked: str) -> KernelQ:
    if isinstance(value, KernelQ):
        return value
    if callable(value) and not isinstance(value, type):
        made = value()
        if isinstance(made, KernelQ):
            return made
    raise ConfigurationError(f"-A {asked}: that is a {type(value).__name__}, not a KernelQ app")
