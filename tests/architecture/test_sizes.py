"""A file is read in one sitting, and a function on one screen."""

from __future__ import annotations

import ast
import statistics

FILE_LINES = 400
FUNCTION_LINES = 60
MEDIAN_FILE = 120
MEDIAN_FUNCTION = 12


def functions(module):
    """Yield (place, lines) of every function of a module."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield f"{module.path}:{node.lineno} {node.name}", (node.end_lineno or 0) - node.lineno + 1


def test_no_module_is_longer_than_400_lines(modules):
    """What grows beyond is two nouns."""
    assert {} == {str(m.path): m.text.count("\n") for m in modules if m.text.count("\n") > FILE_LINES}


def test_no_function_is_longer_than_60_lines(modules):
    """Docstring included."""
    found = (pair for module in modules for pair in functions(module))

    assert {} == {place: lines for place, lines in found if lines > FUNCTION_LINES}


def test_the_usual_file_and_function_are_short(modules):
    """The limits above are for the rare case; these hold the habit."""
    files = [module.text.count("\n") for module in modules if module.path.name != "__init__.py"]
    lines = [count for module in modules for _, count in functions(module)]

    assert MEDIAN_FILE >= statistics.median(files)
    assert MEDIAN_FUNCTION >= statistics.median(lines)


def test_no_relative_import_and_no_module_level_singleton_is_global(modules):
    """A `global` statement is a registry or a cache that nobody closes."""
    wrong = [
        f"{module.path}:{node.lineno}"
        for module in modules
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Global)
    ]

    assert wrong == []
