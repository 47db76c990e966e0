"""The chores of KernelQ. `nox -l` lists them; `nox -s tests` needs nothing but Python and nox."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import nox
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

nox.needs_version = ">=2024.10.9"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.reuse_venv = "yes"
nox.options.error_on_missing_interpreters = True
nox.options.stop_on_first_error = True
nox.options.sessions = ["lint", "types", "tests"]

ROOT = Path(__file__).parent
CONSTRAINTS = ROOT / "constraints.txt"
PLUGINS = sorted(path.parent.name for path in ROOT.glob("plugins/*/pyproject.toml"))
PROJECTS = [ROOT / "core", *(ROOT / "plugins" / name for name in PLUGINS)]
BUILD_TOOLS = ("hatchling", "editables")
CLEAN = {"PYTHONDONTWRITEBYTECODE": None, "PYTHONPATH": None}  # a cold byte-code cache falsifies every timing
QUIET = {**CLEAN, "NO_MKDOCS_2_WARNING": "1"}
PACKAGING = ROOT / "tests" / "packaging"
HELLO = ROOT / "docs" / "examples" / "kernelq-hello"
AT_ONCE = os.cpu_count() or 1


# -- installing ------------------------------------------------------------------------------------


SPREAD = ("-n", str(2 * (os.cpu_count() or 1)), "--dist", "worksteal")
"""Two test processes for each core: most tests wait for others, and half the time is saved."""


def _project(folder: Path) -> dict[str, object]:
    with (folder / "pyproject.toml").open("rb") as file:
        return tomllib.load(file)


def _group(*names: str) -> list[str]:
    return list(nox.project.dependency_groups(_project(ROOT), *names))


def _install(session: nox.Session, *what: str, constraints: Path | None = CONSTRAINTS) -> None:
    pins = ("-c", str(constraints)) if constraints is not None else ()
    session.install(*pins, *what)


def _editable(session: nox.Session, projects: Iterable[Path], constraints: Path | None = CONSTRAINTS) -> None:
    """Install `projects` so that they run from their folders, and all that they need."""
    _install(session, *BUILD_TOOLS)
    with _pointers(session, projects) as wheels:
        _install(session, *wheels, constraints=constraints)


@contextlib.contextmanager
def _pointers(session: nox.Session, projects: Iterable[Path]) -> Iterator[list[str]]:
    """Make editable wheels, and see that none that was made of an earlier state is installed; yield their paths."""
    with tempfile.TemporaryDirectory() as folder:
        made = session.run(
            "python", str(PACKAGING / "editable.py"), folder, *map(str, projects), env=CLEAN, silent=True
        )
        wheels = str(made).split()
        session.install("--quiet", "--no-deps", "--force-reinstall", *wheels)
        yield wheels


def _pytest(session: nox.Session, *arguments: str) -> None:
    session.run("python", "-m", "pytest", *arguments, env=CLEAN)


# -- tests -----------------------------------------------------------------------------------------


@nox.session
def tests(session: nox.Session) -> None:
    """Run every test against the source tree; `-P 3.13` takes another Python."""
    _install(session, *_group("test"))
    _editable(session, PROJECTS)
    _pytest(session, *(session.posargs or SPREAD))


@nox.session
@nox.parametrize("name", PLUGINS, ids=PLUGINS)
def plugin(session: nox.Session, name: str) -> None:
    """Run the tests of one plugin with nothing beside it but the core and the test kit."""
    folder = ROOT / "plugins" / name
    _install(session, *_group("test"))
    _editable(session, dict.fromkeys([ROOT / "core", ROOT / "plugins" / "testkit", folder]))
    _pytest(session, str(folder / "tests"), *session.posargs)


@nox.session
def minimums(session: nox.Session) -> None:
    """Run the tests on the lowest version of each direct dependency."""
    lowest = _lowest(_requirements(PROJECTS))
    with tempfile.TemporaryDirectory() as folder:
        pins = Path(folder, "lowest.txt")
        pins.write_text("".join(f"{name}=={version}\n" for name, version in sorted(lowest.items())))
        session.log(" ".join(pins.read_text().split()))
        _install(session, *BUILD_TOOLS)
        with _pointers(session, PROJECTS) as wheels:
            session.install("-c", str(pins), *_group("test"), *wheels)
    _pytest(session, *(session.posargs or (*SPREAD, "-m", "not slow")))


def _requirements(projects: Iterable[Path]) -> Iterator[Requirement]:
    for folder in projects:
        for line in _project(folder)["project"].get("dependencies", ()):  # type: ignore[attr-defined]  # TOML tables are untyped
            requirement = Requirement(line)
            if not requirement.name.startswith("kernelq-"):
                yield requirement


def _lowest(requirements: Iterable[Requirement]) -> dict[str, str]:
    """Return the lowest version that all of `requirements` allow together, by name."""
    lowest: dict[str, str] = {}
    for requirement in requirements:
        bounds = [bound.version for bound in requirement.specifier if bound.operator in (">=", "~=", "==")]
        if not bounds:
            raise SystemExit(f"{requirement} has no lower bound: write one in the pyproject.toml that names it")
        name = canonicalize_name(requirement.name)
        lowest[name] = max(lowest.get(name, "0"), bounds[0], key=Version)
    return lowest


# -- checks of the source --------------------------------------------------------------------------


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and format with ruff; `-- --fix` mends what ruff can mend."""
    _install(session, *_group("lint"))
    session.run("ruff", "check", *session.posargs, str(ROOT))
    session.run("ruff", "format", *(() if "--fix" in session.posargs else ("--check",)), str(ROOT))


@nox.session
def types(session: nox.Session) -> None:
    """Check types with mypy, strictly: every source folder, every test and this file."""
    _install(session, *_group("test", "types"))
    _editable(session, PROJECTS)
    sources = [str(project / "src") for project in PROJECTS]
    tests = [f"plugins/{name}/tests" for name in PLUGINS if list((ROOT / "plugins" / name / "tests").rglob("*.py"))]
    checked = [*sources, "tests", *tests, "noxfile.py"]
    environment = {**CLEAN, "MYPYPATH": os.pathsep.join([*sources, str(ROOT / "tests" / "support")])}
    session.run("mypy", "--explicit-package-bases", *checked, env=environment)


@nox.session
def docs(session: nox.Session) -> None:
    """Build the pages, strictly, and run the examples on them."""
    _install(session, *_group("test", "docs"))
    _editable(session, PROJECTS)
    session.run("mkdocs", "build", "--strict", "--quiet", "--site-dir", str(ROOT / "site"), env=QUIET)
    _pytest(session, *SPREAD, "tests/docs", *session.posargs)


# -- distributions ---------------------------------------------------------------------------------


@nox.session(venv_backend="virtualenv")
def dist(session: nox.Session) -> None:
    """Build every wheel and sdist; install each alone, the extras, and an example plugin; run a task of it."""
    _install(session, *_group("dist"))
    house = _wheelhouse(session, [*PROJECTS, ROOT, HELLO])
    session.run("python", str(PACKAGING / "contents.py"), str(house), env=CLEAN)
    project: dict[str, Any] = _project(ROOT)["project"]  # type: ignore[assignment]  # TOML tables are untyped
    included = {Requirement(line).name.removeprefix("kernelq-") for line in project["dependencies"]}
    extras = sorted(project["optional-dependencies"])
    with tempfile.TemporaryDirectory() as folder:
        core, whole = (_environment(session, house, Path(folder, name), name) for name in ("kernelq-core", "kernelq"))
        _smoke(session, whole, "batteries")
        tries: list[tuple[Any, ...]] = [(core, f"kernelq-{name}", "alone", name) for name in PLUGINS]
        further = [extra for extra in extras if extra not in included]
        tries.append((whole, f"kernelq[{','.join(further)}]", "extras", *further))
        tries.append((whole, "kernelq-hello", "example"))
        with ThreadPoolExecutor(AT_ONCE) as threads:
            list(threads.map(lambda one: _try_out(session, house, *one), tries))
        batteries = ",".join(extra for extra in extras if extra in included)
        _try_out(session, house, core, f"kernelq[{batteries}]", "batteries")


def _wheelhouse(session: nox.Session, projects: Sequence[Path]) -> Path:
    """Return a folder with the wheels of `projects` and of all that they need, so that no install asks a registry.

    It is made anew unless it was made of these sources.
    """
    house, made_of = session.cache_dir / "house", session.cache_dir / "house.txt"
    state = _state(projects)
    if house.exists() and made_of.exists() and made_of.read_text() == state:
        session.log(f"{house} is made of these sources")
        return house
    made_of.unlink(missing_ok=True)
    shutil.rmtree(house, ignore_errors=True)
    with ThreadPoolExecutor(AT_ONCE) as threads:
        list(threads.map(lambda project: _build(session, project, house), projects))
    found = sorted(str(path) for path in house.glob("*.whl"))
    pip = ("python", "-m", "pip", "download", "--quiet", "--only-binary", ":all:")
    session.run(*pip, "-c", str(CONSTRAINTS), "--dest", str(house), *found, env=CLEAN)
    made_of.write_text(state)
    return house


def _state(projects: Iterable[Path]) -> str:
    """Return one line for each file that a distribution may be built of, and for the pins."""
    folders = [project for project in projects if project != ROOT]
    files = [path for folder in folders for path in folder.rglob("*") if "__pycache__" not in path.parts]
    files += [path for path in ROOT.iterdir() if path.suffix in (".toml", ".md", ".txt")]
    known = ((path.relative_to(ROOT), path.stat()) for path in sorted(files) if path.is_file())
    return "".join(f"{name} {stat.st_size} {stat.st_mtime_ns}\n" for name, stat in known)


def _build(session: nox.Session, project: Path, house: Path) -> None:
    """Build an sdist, and a wheel from it, as a registry's visitors would."""
    arguments = ("--no-isolation", "--outdir", str(house), str(project))
    session.run("python", "-m", "build", *arguments, env=CLEAN, silent=True)


def _try_out(session: nox.Session, house: Path, beside: Path, wanted: str, *smoke: str) -> None:
    """Run the smoke test where `wanted` has been added to what is installed in the environment `beside`."""
    with tempfile.TemporaryDirectory() as folder:
        _smoke(session, _environment(session, house, Path(folder), wanted, beside=beside), *smoke)


def _environment(session: nox.Session, house: Path, folder: Path, *wanted: str, beside: Path | None = None) -> Path:
    """Make an environment in `folder` and install `wanted` from `house` alone; what is in `beside` is there too."""
    session.log(
        f"{' '.join(wanted)}: installed from wheels" + (f", beside {beside.name}" if beside is not None else "")
    )
    session.run("virtualenv", "--quiet", "--no-seed", str(folder), env=CLEAN, log=False)
    if beside is not None:
        _packages(folder).joinpath("beside.pth").write_text(f"{_packages(beside)}\n")
    pip = ("python", "-m", "pip", "--python", str(_python(folder)), "install", "--quiet", "--no-index")
    session.run(*pip, "--find-links", str(house), *wanted, env=CLEAN, log=False)
    return folder


def _smoke(session: nox.Session, environment: Path, *arguments: str) -> None:
    script = str(PACKAGING / "smoke.py")
    session.run(str(_python(environment)), "-I", script, *arguments, external=True, env=CLEAN, log=False)


def _python(environment: Path) -> Path:
    return environment / ("Scripts" if sys.platform == "win32" else "bin") / "python"


def _packages(environment: Path) -> Path:
    return next(environment.glob("[lL]ib/**/site-packages"))


# -- figures, and the rest -------------------------------------------------------------------------


@nox.session
def bench(session: nox.Session) -> None:
    """Measure KernelQ and its peers in interleaved rounds and print ratios; `-- --quick` takes a minute."""
    _install(session, *_group("bench"))
    _editable(session, PROJECTS)
    session.run("python", "-m", "tests.benchmarks", *session.posargs, env=CLEAN)


@nox.session
def chaos(session: nox.Session) -> None:
    """Hurt KernelQ and Celery alike and print a scorecard; then run the tests of faults at full scale, for hours.

    `-- --only worker` or `-- --quick` prints the scorecard alone; paths of tests run these alone.
    """
    _install(session, *_group("test"))
    _editable(session, PROJECTS)
    options = [word for word in session.posargs if not word.startswith("tests/")]
    paths = [word for word in session.posargs if word.startswith("tests/")]
    if not paths:
        session.run("python", "-m", "tests.chaos", *options, env={**CLEAN, "PYTHONPATH": "tests/support"})
    if not session.posargs or paths:
        wanted = [*(paths or ["tests/end_to_end/faults"]), *(options if paths else ())]
        session.run("python", "-m", "pytest", "-v", *wanted, env={**CLEAN, "KERNELQ_TEST_SCALE": "full"})


@nox.session
def demo(session: nox.Session) -> None:
    """Boot a worker on a new SQLite file, send it tasks, show what it did, and stop it."""
    _editable(session, PROJECTS)
    session.run("kernelq", "demo", *session.posargs, env=CLEAN)


@nox.session
def flower(session: nox.Session) -> None:
    """Ask two releases of Flower for every page while they watch and steer KernelQ workers."""
    _install(session, *_group("test"))
    _editable(session, PROJECTS)
    _pytest(session, "-v", "tests/compat/test_flower.py", *session.posargs)


@nox.session
def pictures(session: nox.Session) -> None:
    """Draw the pictures of the documentation anew, from the code that they show."""
    _editable(session, PROJECTS)
    session.run("python", "docs/_hooks/pictures.py", env=CLEAN)


@nox.session(venv_backend="virtualenv")
def pins(session: nox.Session) -> None:
    """Write constraints.txt anew: the newest of everything that the sessions install, by name and version."""
    every = ("test", "lint", "types", "docs", "dist", "bench")
    _editable(session, PROJECTS, constraints=None)
    _install(session, "--upgrade", *_group(*every), constraints=None)
    lines = session.run("python", "-m", "pip", "list", "--format=freeze", "--exclude-editable", silent=True)
    kept = [line for line in str(lines).split() if re.fullmatch(r"[\w.-]+==[\w.!+-]+", line)]
    header = "# Written by `nox -s pins`: what nox and the gate install. Names and versions only.\n"
    own = re.compile(r"(kernelq|pip|setuptools|wheel)\b", re.IGNORECASE)
    CONSTRAINTS.write_text(header + "".join(f"{line}\n" for line in sorted(kept, key=str.lower) if not own.match(line)))
