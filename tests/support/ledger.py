"""The ledger of the test kit, under the name that processes of these tests import it by."""

from __future__ import annotations

from kernelq_testkit.ledger import Entry, Ledger, Tail, Tally

__all__ = ["Entry", "Ledger", "Tail", "Tally"]
