"""Views are plugins."""

from __future__ import annotations

import pytest

from kernelq import KernelQ
from kernelq.events.view import GROUP, load
from kernelq.kernel.discovery import Discovery
from kernelq.kernel.errors import PluginNotFound


def test_a_view_is_found_by_its_name():
    def mine(app: KernelQ) -> None: ...

    with KernelQ("t", discovery=Discovery({GROUP: {"live": mine}}, installed=False)) as app:
        assert mine is load(app)


def test_without_it_one_is_told_what_to_type():
    with (
        KernelQ("t", discovery=Discovery(installed=False)) as app,
        pytest.raises(PluginNotFound, match=r"pip install 'kernelq\[monitor\]'.*kernelq events --dump"),
    ):
        load(app)
