"""The settings that this plugin adds."""

from __future__ import annotations

import attrs

from kernelq.kernel.settings import setting


@attrs.define(slots=False)
class AutoreloadSettings:
    """When a worker loads changed code, and what counts as code."""

    worker_autoreload: bool = setting(
        False, "whether changed modules of the project are loaded by fresh hosts; for developing", option="--autoreload"
    )
    worker_autoreload_paths: list[str] | tuple[str, ...] = setting(
        (), "files, folders and globs that are watched beside the project's modules: .env, templates, conf/**/*.toml"
    )
