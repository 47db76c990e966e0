"""Settings that this plugin adds."""

from __future__ import annotations

import attrs

from kernelq.kernel.settings import setting


@attrs.define(slots=False)
class GossipSettings:
    """Whether a worker wants to know the others."""

    worker_without_mingle: bool = setting(
        False,
        "whether a worker starts without asking the others for their revoked ids and their clock",
        option="--without-mingle",
    )
    worker_without_gossip: bool = setting(
        False, "whether a worker follows no other worker, and takes part in no election", option="--without-gossip"
    )
