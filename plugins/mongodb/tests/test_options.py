"""The settings of the store."""

from __future__ import annotations

import pytest

from kernelq import KernelQ
from kernelq.kernel.errors import BadSetting


def test_a_timeout_is_above_zero():
    with pytest.raises(BadSetting, match="above 0"):
        KernelQ("app", mongodb_timeout=0).conf  # noqa: B018 - it is asked for


def test_options_which_may_hold_a_password_are_not_shown():
    conf = KernelQ("app", mongodb_backend_settings={"options": {"password": "hush"}}).conf

    assert "hush" not in str(conf.as_dict())
