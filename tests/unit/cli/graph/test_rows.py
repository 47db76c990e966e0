"""The plan as data."""

from __future__ import annotations

import json

from kernelq.cli.graph import rows


def test_rows_hold_what_other_programs_need(graph):
    assert {
        "blueprint": "worker", "wave": 3, "step": "Consumer", "distribution": "kernelq-worker", "version": "1.2.3",
        "state": "on", "seconds": None, "after": "Queues, StateDB, Pool",
        "why": "needs loop (Hub), pool (Pool), queues (Queues); after StateDB", "declared_at": "steps/Consumer.py:7",
    } == rows.rows(graph)[5]  # fmt: skip


def test_the_whole_plan_as_data_keeps_every_edge_and_can_be_written_as_json(graph, plan):
    data = json.loads(json.dumps(rows.data(graph)))
    assert len(plan.edges) == len(data["edges"])
    assert plan.digest == data["digest"]
