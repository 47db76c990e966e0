"""The last yard of a send."""

from __future__ import annotations

import pytest
from sending import recording_app

from kernelq import signals
from kernelq.kernel.errors import BrokerUnreachable

AWAY = BrokerUnreachable("away")
QUICK = {"max_retries": 3, "interval_start": 0, "interval_step": 0.001, "interval_max": 0.001}


def test_a_publish_is_tried_again():
    app, recorder = recording_app(AWAY, AWAY, task_publish_retry_policy=QUICK)

    app.send_task("pack")

    assert (3, 1) == (recorder.tries, len(recorder.sent))


@pytest.mark.parametrize(
    ("options", "tries"),
    [
        ({"retry": False}, 1),
        ({"retry_policy": {"max_retries": 1}}, 2),
        ({}, 4),
    ],
)
def test_the_broker_stays_away(options, tries):
    """The error comes after the retries that the policy allows."""
    app, recorder = recording_app(*[AWAY] * 9, task_publish_retry_policy=QUICK)

    with pytest.raises(BrokerUnreachable):
        app.send_task("pack", **options)

    assert tries == recorder.tries


def test_retries_end_with_the_connection_timeout():
    """However many the policy allows."""
    app, recorder = recording_app(
        *[AWAY] * 5000, broker_connection_timeout=0.5, task_publish_retry_policy={**QUICK, "max_retries": None}
    )

    with pytest.raises(BrokerUnreachable):
        app.send_task("pack")

    assert 1 < recorder.tries < 1000


def test_a_slow_failure_is_not_tried_again():
    """The next try could take the whole timeout again; a send ends within 1.25 times it."""
    app, recorder = recording_app(
        AWAY,
        AWAY,
        broker_connection_timeout=0.05,
        task_publish_retry_policy={**QUICK, "interval_start": 0.02, "interval_max": 1},
    )

    with pytest.raises(BrokerUnreachable):
        app.send_task("pack")

    assert 1 == recorder.tries


def test_other_errors_are_not_tried_again():
    app, recorder = recording_app(ValueError("no"))

    with pytest.raises(ValueError, match="no"):
        app.send_task("pack")

    assert 1 == recorder.tries


def test_many_are_published_in_one_go():
    app, recorder = recording_app()

    results = app.send_many([app.signature("pack", (n,)) for n in range(5)])

    assert [5] == recorder.batches
    assert [message.id for message in recorder.sent] == [result.id for result in results]


def test_none_of_many_is_published_where_one_is_wrong():
    """And the next send is not kept back."""
    app, recorder = recording_app()
    wrong = app.signature("pack", (object(),))

    with pytest.raises(TypeError, match="pack"):
        app.send_many([app.signature("pack"), wrong])
    assert [] == recorder.sent

    app.send_task("pack")
    assert 1 == len(recorder.sent)


def test_signals_are_told_before_and_after():
    """What is changed before is what is published."""
    app, recorder = recording_app()
    told = []

    def before(sender, headers, properties, **rest):
        headers["mine"] = 1
        told.append(("before", sender, len(recorder.sent), sorted(rest)))

    def after(sender, headers):
        told.append(("after", sender, len(recorder.sent), headers["mine"]))

    signals.before_task_publish.connect(before, sender="pack")
    signals.after_task_publish.connect(after)
    try:
        app.send_task("pack")
    finally:
        signals.before_task_publish.disconnect(before, sender="pack")
        signals.after_task_publish.disconnect(after)
    app.send_task("pack")

    rest = ["body", "exchange", "retry_policy", "routing_key", "signal"]
    assert [("before", "pack", 0, rest), ("after", "pack", 1, 1)] == told
    assert [1, None] == [message.headers.get("mine") for message in recorder.sent]
