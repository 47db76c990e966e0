"""Discovery: a name becomes exactly one object, or an error that says what to type."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from importlib import metadata
from importlib.metadata import Distribution
from pathlib import Path

import pytest

from kernelq.kernel import discovery as module
from kernelq.kernel.discovery import Discovery
from kernelq.kernel.errors import PluginBroken, PluginNotFound

GROUP = "kernelq.pools"


def install(site: Path, distribution: str, *entries: str, source: str = "THING = 'thing'\n") -> None:
    """Lay a distribution into a folder, as an installer does."""
    info = site / f"{distribution}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{GROUP}]\n" + "\n".join(entries) + "\n")
    (site / f"{distribution.replace('-', '_')}.py").write_text(source)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_an_installed_plugin_is_found_with_its_distribution_and_loaded_by_name(site: Path) -> None:
    install(site, "my-pool", "mine = my_pool:THING")
    discovery = Discovery()
    one = next(found for found in discovery.found(GROUP) if found.name == "mine")
    assert (one.distribution, one.version, one.value) == ("my-pool", "1.0", "my_pool:THING")
    assert "my_pool" not in sys.modules
    assert discovery.load(GROUP, "mine") == "thing"


def test_names_are_sorted_whatever_the_order_of_the_file(site: Path) -> None:
    install(site, "zoo", "zebra = zoo:THING", "ant = zoo:THING", "mole = zoo:THING")
    names = Discovery().names(GROUP)
    assert sorted(names) == names
    assert {"ant", "mole", "zebra"} <= set(names)


def test_a_name_that_is_not_there_says_who_asked_what_is_installed_and_what_is_near() -> None:
    discovery = Discovery({GROUP: {"threads": object()}}, installed=False)
    with pytest.raises(PluginNotFound) as caught:
        discovery.load(GROUP, "thread", wanted_by="setting worker_pool")
    for part in ("setting worker_pool asks for 'thread'", "installed: threads", "Did you mean 'threads'?"):
        assert part in str(caught.value)


def test_a_plugin_that_fails_to_import_names_itself_its_distribution_and_the_cause(site: Path) -> None:
    install(site, "broken-pool", "broken = broken_pool:THING", source="raise OSError('no such device')\n")
    with pytest.raises(PluginBroken) as caught:
        Discovery().load(GROUP, "broken")
    for part in ("'broken'", "broken-pool 1.0", "OSError: no such device", "pip install --force-reinstall broken-pool"):
        assert part in str(caught.value)


def test_two_distributions_with_one_name_are_both_named(site: Path) -> None:
    install(site, "one-pool", "same = one_pool:THING")
    install(site, "two-pool", "same = two_pool:THING")
    with pytest.raises(PluginBroken, match="one-pool and two-pool both provide 'same'"):
        Discovery().load(GROUP, "same")


def test_a_folder_is_read_once_until_something_is_installed_there(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command asks three times; a notebook that has installed a plugin asks anew."""
    read: list[object] = []

    def distributions(*, path: list[str]) -> Iterable[Distribution]:
        read.extend(path)
        return metadata.distributions(path=path)

    monkeypatch.setattr(module, "distributions", distributions)
    Discovery().groups()
    read.clear()

    Discovery().groups()
    assert [] == read

    install(site, "late-pool", "late = late_pool:THING")
    os.utime(site, (1, 1))  # two changes may come within one tick of the file system's clock
    assert "late" in Discovery().names(GROUP)
    assert [str(site)] == read


def test_installed_plugins_can_be_left_out() -> None:
    assert Discovery(installed=False).groups() == []


def test_an_override_wins_over_an_installed_plugin(site: Path) -> None:
    install(site, "my-pool2", "mine2 = my_pool2:THING")
    assert Discovery({GROUP: {"mine2": "given"}}).load(GROUP, "mine2") == "given"


def test_listing_names_imports_neither_stevedore_nor_a_plugin() -> None:
    source = (
        "import sys; from kernelq.kernel.discovery import Discovery; Discovery().groups();"
        "print([m for m in sys.modules if m.startswith(('stevedore', 'kernelq_'))])"
    )
    assert subprocess.run([sys.executable, "-c", source], capture_output=True, text=True).stdout.strip() == "[]"
