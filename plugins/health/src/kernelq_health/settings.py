"""Settings that this plugin adds."""

from __future__ import annotations

import attrs

from kernelq.kernel.settings import setting


def _port(value: int) -> str | None:
    return None if 0 < value < 65536 else "write a port, from 1 to 65535"


@attrs.define(slots=False)
class HealthSettings:
    """Where a worker tells how it is."""

    worker_health_port: int | None = setting(
        None,
        "port on which a worker answers GET /live, /ready and /started, with 200 or 503; None: none",
        check=_port,
        option="--health-port=PORT",
    )
    worker_health_host: str = setting(
        "127.0.0.1", "address of that port; 0.0.0.0 where the question comes from another machine, as kubelet's does"
    )
    worker_health_file: str | None = setting(
        None,
        "file in which a worker tells each second how it is: %n is replaced by its name, %h by its host; None: none",
        option="--health-file=PATH",
    )
