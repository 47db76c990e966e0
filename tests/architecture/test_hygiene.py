"""What no tracked file may hold."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

HOSTS = re.compile(  # written apart, so that this file does not hold them itself
    rb"(?:[p]ypi\.(?:org|io|python)|[p]ythonhosted|[a]naconda\.(?:org|com)|jfrog\.io|artifactory\.)", re.IGNORECASE
)
MACHINE = re.compile(rb"(?:^|[\s\"'=(:\[])/(?:work|home|Users|root|mnt|workspace)/[\w.]", re.MULTILINE)
INDEX = re.compile(rb"--(?:extra-)?index-url|find-links\s*=|\[\[tool\.uv\.index\]\]")
IGNORES = re.compile(r"#\s*(?:type: ignore|noqa)(?P<rest>.*)$", re.MULTILINE)
FUNCTION = ast.FunctionDef | ast.AsyncFunctionDef
TEXT = {".py", ".md", ".toml", ".txt", ".yml", ".yaml", ".cfg", ".ini", ".sh", ".json", ""}


def offences(pattern: re.Pattern[bytes], files: list[Path]) -> list[str]:
    """Return where `pattern` stands, this file excepted."""
    found = []
    for path in files:
        if path.suffix in TEXT and path != Path(__file__):
            data = path.read_bytes()
            lines = (data.count(b"\n", 0, hit.start()) + 1 for hit in pattern.finditer(data))
            found += [f"{path}:{line}" for line in lines]
    return found


def test_no_address_of_a_registry_is_written_down(tracked):
    """Where packages come from is the business of the machine."""
    assert offences(HOSTS, tracked) == []
    assert offences(INDEX, tracked) == []


def test_no_path_of_one_machine_is_written_down(tracked):
    """What works only where it was written does not work."""
    assert offences(MACHINE, tracked) == []


def test_no_lock_file_of_uv_is_committed(tracked):
    """It would hold addresses; constraints.txt holds the pins."""
    assert [] == [path for path in tracked if path.name == "uv.lock"]


def test_the_pins_are_names_and_versions(repository: Path):
    """No address, no path, no distribution of ours."""
    lines = (repository / "constraints.txt").read_text().splitlines()
    pins = [line for line in lines if not line.startswith("#")]

    assert [] == [line for line in pins if not re.fullmatch(r"[A-Za-z0-9_.-]+==[0-9][\w.!+-]*", line)]
    assert [] == [line for line in pins if line.lower().startswith("kernelq")]
    assert sorted(pins, key=str.lower) == pins


def test_no_test_sleeps(tracked):
    """A test waits for an event; a sleep is too long on a quick machine and too short on a slow one.

    Tasks and threads that a test starts may sleep, and so may a helper that looks again and again from outside at a
    process which tells nothing, and the tests of faults, which strike at whatever moment it is.
    """
    found = []
    for path in tracked:
        if path.suffix == ".py" and path.name.startswith("test_") and "faults" not in path.name:
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, FUNCTION) and node.name.startswith("test_"):
                    found += [f"{path}:{line}" for line in sleeps(node)]

    assert found == []


def sleeps(node: ast.AST) -> Iterator[int]:
    """Yield the lines at which a function itself sleeps, leaving out functions and loops that look within it."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Call) and ast.unparse(child.func) in ("time.sleep", "sleep"):
            yield child.lineno
        if not isinstance(child, FUNCTION | ast.While):
            yield from sleeps(child)


def test_no_test_demands_haste(tracked):
    """What takes a moment on an idle machine may take seconds on a busy one: no bound of time is below five seconds.

    A state that passes by itself is held until it has been looked at, in place of being looked at in time.
    """
    found = []
    for path in tracked:
        if path.suffix == ".py" and path.name.startswith("test_") and "benchmarks" not in path.parts:
            found += [f"{path}:{node.lineno}" for node in ast.walk(ast.parse(path.read_text())) if is_haste(node)]

    assert found == []


def is_haste(node: ast.AST) -> bool:
    """Tell whether the difference of two moments is to be below a number that is below five."""
    if not isinstance(node, ast.Compare) or not isinstance(node.comparators[-1], ast.Constant):
        return False
    taken = node.comparators[-2] if len(node.comparators) > 1 else node.left
    elapsed = isinstance(taken, ast.BinOp) and "monotonic()" in ast.unparse(taken)
    bound = node.comparators[-1].value
    below = isinstance(node.ops[-1], ast.Lt | ast.LtE) and isinstance(bound, int | float) and bound < 5
    return elapsed and below


def test_no_error_is_swallowed_in_silence(modules):
    """`except Exception: pass` hides what an operator has to know."""
    found = [
        f"{module.path}:{node.lineno}"
        for module in modules
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or ast.unparse(node.type) in ("Exception", "BaseException"))
        and all(isinstance(line, ast.Pass) for line in node.body)
    ]

    assert found == []


def test_every_ignore_of_a_tool_names_its_code_and_its_reason(modules):
    """`# noqa: S608 - the table's name is ours`, `# type: ignore[override]  # …`."""
    found = []
    for module in modules:
        for hit in IGNORES.finditer(module.text):
            code, _, reason = hit["rest"].lstrip(": ").partition(" ")
            if not re.match(r"\[?[\w,-]+\]?", code) or len(reason.strip(" -#,")) < 5:
                found.append(f"{module.path}:{module.text.count(chr(10), 0, hit.start()) + 1}")

    assert found == []
