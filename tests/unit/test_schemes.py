"""From a URL to the plugin of its scheme."""

from __future__ import annotations

import pytest

from kernelq import KernelQ
from kernelq.kernel.discovery import Discovery
from kernelq.kernel.errors import PluginNotFound
from kernelq.schemes import open_backend, plugin

GROUP = "kernelq.backends"


def discovery(**plugins):
    return Discovery({GROUP: plugins}, installed=False)


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("db+sqlite:///x", "the exact one"),
        ("db+postgresql://x", "the family"),
        ("db://x", "the family"),
        ("redis://x", "the fallback"),
        ("memory", "the fallback"),
    ],
)
def test_the_nearest_name_is_taken(url, found):
    named = discovery(**{"db+sqlite": "the exact one", "db": "the family", "fallback": "the fallback"})

    assert found == plugin(named, GROUP, url, "result_backend")


def test_without_one_the_family_is_what_to_install():
    with pytest.raises(PluginNotFound, match="result_backend asks for 'db'"):
        plugin(discovery(other=1), GROUP, "db+postgresql://x", "result_backend")


def test_results_can_be_left_out():
    assert None is open_backend(KernelQ("app", result_backend="disabled://", discovery=discovery()))
