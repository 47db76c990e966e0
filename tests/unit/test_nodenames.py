"""Names of nodes."""

from __future__ import annotations

import os
import threading

import pytest

from kernelq import nodenames


def test_a_sender_is_named_by_its_process_and_host():
    assert f"gen{os.getpid()}@{nodenames.gethostname()}" == nodenames.anon_nodename()


@pytest.mark.parametrize(
    ("given", "wanted"), [(None, "celery@h"), ("w1@", "w1@h"), ("other", "celery@other"), ("w1@other", "w1@other")]
)
def test_a_node_name_is_completed(monkeypatch, given, wanted):
    """What a person leaves out is celery, and this host."""
    monkeypatch.setattr(nodenames, "gethostname", lambda: "h")

    assert wanted == nodenames.default_nodename(given)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("%n.log", "w1.log"),
        ("%h %d", "box.example.org example.org"),
        ("%p", "w1@box.example.org"),
        ("%n%I.log", "w1-3.log"),
        ("%i", "3"),
        ("100%% %n", "100% w1"),
        ("%%n", "%n"),
        ("%z%", "%z%"),
        ("", ""),
    ],
)
def test_a_format_is_expanded(text, wanted):
    assert wanted == nodenames.node_format(text, "w1@box.example.org", index=3)


def test_the_main_process_has_no_dash_of_an_index():
    assert "w1.log" == nodenames.node_format("%n%I.log", "w1@h")


def test_each_thread_takes_replies_under_an_id_of_its_own():
    """A UUID; the same for the same thread and app."""
    app = object()
    ids = [nodenames.reply_id(app)]
    thread = threading.Thread(target=lambda: ids.append(nodenames.reply_id(app)))
    thread.start()
    thread.join()

    assert ids[0] == nodenames.reply_id(app)
    assert ids[0] != ids[1]
    assert 36 == len(ids[0])
