"""Signatures and chains. Their form on the wire is held by the golden tests."""

from __future__ import annotations

import json
import pickle

import pytest
from sending import recording_app

from kernelq import Signature, chain


@pytest.fixture
def app():
    return recording_app()[0]


@pytest.fixture
def add(app):
    @app.task(name="add")
    def add(x, y=0):
        return x + y

    return add


def test_a_signature_is_a_dict_as_celerys(add):
    wanted = {
        "task": "add", "args": (1,), "kwargs": {"y": 2}, "options": {}, "subtask_type": None, "immutable": False,
    }  # fmt: skip
    assert wanted == add.s(1, y=2)
    assert {**wanted, "immutable": True} == add.si(1, y=2)


def test_arguments_come_before_those_that_it_has(add):
    """An immutable signature takes none."""
    assert ((0, 1), {"y": 3}) == (add.s(1, y=2).clone((0,), {"y": 3}).args, add.s(1, y=2).clone((0,), {"y": 3}).kwargs)
    assert (1,) == add.si(1).clone((0,)).args


def test_a_clone_shares_nothing(add):
    first = add.s(1).set(headers={"a": 1})
    second = first.clone()
    second.options["headers"]["a"] = 2
    second.kwargs["y"] = 3

    assert ({"a": 1}, {}) == (first.options["headers"], first.kwargs)


def test_links_are_kept_once(add):
    signature = add.s(1)
    callback = add.s(2)
    signature.link(callback)
    signature.link(callback)

    assert [callback] == signature.options["link"]
    assert [add.s(3)] == add.s(1).on_error(add.s(3)).options["link_error"]


def test_it_survives_json_and_pickle(app, add):
    """Read from the wire, it belongs to the app that reads it."""
    original = add.s(1, y=2) | add.s(3)

    read = app.signature(json.loads(json.dumps(original)))
    unpickled = pickle.loads(pickle.dumps(add.s(1)))

    assert isinstance(read, chain)
    assert ["add(1, y=2)", "add(3)"] == [repr(one) for one in read.tasks]
    assert add.s(1) == unpickled


def test_one_that_belongs_to_no_app_says_what_to_type():
    with pytest.raises(RuntimeError, match=r"app\.signature\('add'\)"):
        Signature("add", (1,)).delay()


def test_the_pipe_makes_one_flat_chain(add):
    """However it is bracketed; the parts are not changed."""
    first = add.s(1)
    joined = (first | add.s(2)) | (add.s(3) | add.s(4))

    assert "add(1) | add(2) | add(3) | add(4)" == repr(joined)
    assert {} == first.options


def test_the_results_of_a_chain_know_their_parents(add):
    """From the last to the first."""
    last = (add.s(1) | add.s(2) | add.s(3)).delay()
    ids = [last.id]
    while last.parent is not None:
        last = last.parent
        ids.append(last.id)

    assert 3 == len(set(ids))


def test_a_chain_is_sent_twice_with_other_ids(app, add):
    pair = add.s(1) | add.s(2)
    recorder = app.sender

    first, second = pair.delay(), pair.delay()

    assert first.id != second.id
    assert recorder.sent[0].id != recorder.sent[1].id


def test_an_empty_chain_is_an_error(app):
    with pytest.raises(ValueError, match="empty chain"):
        chain(app=app).delay()


def test_a_chain_can_be_run_here(add):
    """Each task takes the result of the one before."""
    assert 6 == (add.s(1, 2) | add.s(3)).apply().get()
    assert 5 == (add.s(1, 2) | add.si(2, 3)).apply().get()
