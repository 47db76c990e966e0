"""The settings of the store."""

from __future__ import annotations

import pytest

from kernelq import KernelQ
from kernelq.kernel.errors import BadSetting


def test_every_app_knows_the_settings_with_celerys_defaults():
    """The plugin's hook declares them, whatever the result store is."""
    values = KernelQ("app", result_backend=None).conf.as_dict(redact=False)

    assert {"pool_pre_ping": True, "pool_recycle": 3600} == values["database_engine_options"]
    assert (False, {}, {}, True) == tuple(
        values[f"database_{name}"]
        for name in ("short_lived_sessions", "table_schemas", "table_names", "create_tables_at_setup")
    )


def test_a_timeout_is_above_zero():
    with pytest.raises(BadSetting, match="above 0"):
        KernelQ("app", database_timeout=0).conf  # noqa: B018 - it is asked for


def test_driver_arguments_which_may_hold_a_password_are_not_shown():
    conf = KernelQ("app", database_engine_options={"connect_args": {"password": "hush"}}).conf

    assert "hush" not in str(conf.as_dict())
