"""The model: where each message is, and what is wrong where it cannot be."""

from __future__ import annotations

import pytest

from kernelq.delivery import Delivery, Verdict
from kernelq_testkit.model import Model, Place


def delivery(name, deliveries=1):
    return Delivery(object(), "q", {"id": name}, b"", {}, deliveries=deliveries)


@pytest.fixture
def model():
    model = Model(counted=True, ordered=True)
    model.sent(["a", "b"], 0)
    return model


def test_taken_and_acknowledged(model):
    """Ready, in flight, done."""
    model.took(1, [delivery("a")])
    (entry,) = model.at(Place.FLIGHT, 1)
    assert 2 == model.open()

    model.settled(entry, Verdict.ACK)
    assert ["b"] == [one.id for one in model.at(Place.READY)]
    assert 1 == model.open()


@pytest.mark.parametrize(
    ("taken", "told"),
    [
        ([delivery("x")], "never sent"),
        ([delivery("a"), delivery("a")], "with lane 1"),
        ([delivery("b"), delivery("a")], "sent later"),
        ([delivery("a", 2)], "the figure 2"),
    ],
)
def test_what_a_broker_may_not_do(model, taken, told):
    """It says which message, and why."""
    with pytest.raises(AssertionError, match=told):
        model.took(1, taken)


def test_the_first_loss_counts_and_then_those_that_had_begun(model):
    """As the contract of a lane says."""
    figures = []
    for begun in (False, False, True):
        model.took(1, [delivery("a", min(model.entries["a"].counts))])
        model.entries["a"].begun = begun
        model.left(1)
        figures.append(set(model.entries["a"].counts))
    assert [{2}, {2}, {3}] == figures


def test_released_is_uncounted_and_requeued_may_be_counted(model):
    """Only a lost host counts."""
    model.took(1, [delivery("a"), delivery("b")])
    entry, other = model.at(Place.FLIGHT)
    model.settled(entry, Verdict.REQUEUE, counted=True)
    model.left(1, [other])
    assert [{2}, {1}] == [set(one.counts) for one in model.at(Place.READY)]


def test_what_a_lane_may_have_hoarded_may_count(model):
    """Nobody saw it there."""
    model.hoarded()
    model.took(1, [delivery("a", 2), delivery("b", 1)])
    assert [{2}, {1}] == [set(one.counts) for one in model.at(Place.FLIGHT)]


def test_far_is_delayed(model):
    """Near is ready: it comes any moment."""
    model.took(1, [delivery("a"), delivery("b")])
    for entry, far in zip(model.at(Place.FLIGHT), (True, False), strict=True):
        model.settled(entry, Verdict.DEFER, far=far)
    assert (["a"], ["b"]) == tuple([one.id for one in model.at(place)] for place in (Place.DELAYED, Place.READY))
