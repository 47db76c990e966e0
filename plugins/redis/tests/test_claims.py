"""What the script's answer becomes."""

from __future__ import annotations

from kernelq_redis.claims import Claim
from kernelq_redis.envelope import encode
from kernelq_testkit.messages import messages


def test_groups_become_deliveries():
    """Tags tell the list that a message came from; lost ones are apart; garbage is buried, with what it was."""
    sent = messages("b", 3)
    raws = [encode(sent[0]), encode(sent[1]) + b" ", b"garbage"]
    claim = Claim()
    size = claim.add_groups([[1, 3, 10, [2, 4], raws], [0, 0, 13, [], [encode(sent[2])]]], ("a", "b"))
    assert [(sent[0].id, "b", 43, 1), (sent[2].id, "a", 52, 1)] == [
        (one.headers["id"], one.queue, one.tag, one.deliveries) for one in claim.fresh
    ]
    assert [(sent[1].id, 47, 5)] == [(one.headers["id"], one.tag, one.deliveries) for one in claim.lost_before]
    (burial,) = claim.burials
    assert (51, b"garbage") == (burial.delivery.tag, burial.delivery.body)
    assert burial.reason.startswith("the message cannot be read: the envelope is not JSON")
    assert (4, [43, 52, 47, 51]) == (len(claim), claim.tags())
    assert sum(map(len, raws)) + len(encode(sent[2])) == size


def test_what_is_beyond_the_credit_is_cut():
    """First come those that nobody lost."""
    for most, fresh, lost, back in ((5, 2, 2, 0), (3, 2, 1, 1), (2, 2, 0, 2), (1, 1, 0, 3), (0, 0, 0, 4)):
        claim = Claim()
        for number, one in enumerate(messages("q", 4)):
            claim.add(encode(one), "q", number, 1 if number % 2 else 0)
        cut = claim.cut(most)
        assert (fresh, lost, back) == (len(claim.fresh), len(claim.lost_before), len(cut))
