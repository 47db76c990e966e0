"""Whose the terms are, and what they know of."""

from __future__ import annotations

import threading

import pytest

from kernelq_redis.keys import Keys
from kernelq_redis.location import locate
from kernelq_redis.terms import Terms


@pytest.fixture
def terms(url, prefix):
    return Terms(locate(url), Keys(prefix), lease=2.0, timeout=4.0)


def test_terms_know_their_tags(terms):
    """In flight or unanswered; a dropped term forgets them; numbers are never given twice."""
    one, two = terms.take("lane"), terms.take("lane")
    terms.flights.update({1: one, 2: two})
    one.unanswered[5] = b"", [9], None
    assert [1, 9] == sorted(terms.tags(one))
    assert 1 == terms.drop(one)
    assert {2: two} == terms.flights
    assert [0, 3, 3] == [terms.number(3), terms.number(0), terms.number(1)]


def test_what_waits_is_inherited_once(terms):
    """By the lane that asks for it; a new term alone, of a lane that may never open, takes nothing over."""
    old, other = terms.take("first lane"), terms.take("living lane")
    terms.park(old)
    new = terms.take("second lane")
    assert ([new], [old]) == (terms.of("second lane"), terms.of(None))
    assert [old] == terms.inherit("second lane")
    assert [] == terms.inherit("third lane")
    assert ([old, new], [other]) == (terms.of("second lane"), terms.of("living lane"))


def test_a_lane_that_comes_while_the_last_term_goes_has_its_lease_renewed(terms, monkeypatch):
    """The keeper that ends with the old term is not taken for the one of the new."""
    old = terms.take("first lane")
    terms.keep()
    first, rest = terms._keeper, terms.rest

    def come() -> None:
        terms.take("second lane")
        terms.keep()

    coming = threading.Thread(target=come)

    def rest_while_it_comes() -> None:
        coming.start()
        coming.join(0.1)
        rest()

    monkeypatch.setattr(terms, "rest", rest_while_it_comes)
    terms.drop(old)
    coming.join()
    assert first is not terms._keeper is not None
    rest()
