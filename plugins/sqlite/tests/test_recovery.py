"""Which losses of an owner count for what it had in flight."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from kernelq.delivery import Verdict
from kernelq.kernel.errors import BrokerLost
from kernelq_sqlite import ledger, schema
from kernelq_sqlite.recovery import recover
from kernelq_sqlite.rows import INSERT_MESSAGE, INSERT_READY

PEER = Path(__file__).with_name("peer.py")


@pytest.fixture
def leave(consume):
    """A function that takes the message with a lane of its own, begins it or not, and leaves; it returns the count."""

    def take(begins):
        consumer = consume()
        (delivery,) = consumer.wait(1)
        if begins:
            consumer.lane.begin([delivery])
        consumer.close()
        return delivery.deliveries

    return take


@pytest.fixture
def begun(url):
    """A function that reads, as another process would, which messages in flight have begun."""

    def read():
        db = sqlite3.connect(url.removeprefix("sqlite:///"))
        flags = [flag for (flag,) in db.execute("SELECT begun FROM flight ORDER BY id")]
        db.close()
        return flags

    return read


def test_an_owner_that_had_not_begun_a_message_counts_once(sender, message, leave):
    """Workers that die one after the other with a mass of waiting messages bury none of them."""
    sender.publish(message())
    assert [1, 2, 2, 2, 2, 2] == [leave(begins=False) for _ in range(6)]


def test_a_later_owner_that_begins_counts(sender, message, leave):
    """The figure goes on from where it was."""
    sender.publish(message())
    assert [1, 2, 2, 3] == [leave(False), leave(False), leave(True), leave(False)]


def test_a_message_that_kills_its_processes_comes_with_their_count(transport, url, sender, message, consume):
    """What was begun is known to the others however the process ends. The worker that takes it next buries it."""
    sender.publish(message(b"poison"))
    for _ in range(3):
        holder = subprocess.Popen([sys.executable, str(PEER), "hold", url], stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, text=True, cwd=PEER.parent)  # fmt: skip
        assert "holding" == holder.stdout.readline().strip()
        holder.kill()
        holder.communicate()
    (delivery,) = consume().wait(1)
    assert ([], 4) == (transport.admin().dead(), delivery.deliveries)


def test_what_begins_is_in_the_database_when_the_call_returns(sender, message, consume, begun):
    sender.publish_many([message(b"1"), message(b"2")])
    consumer = consume()
    first, _ = consumer.wait(2)
    assert [0, 0] == begun()
    consumer.lane.begin([first])
    assert [1, 0] == begun()


def test_what_goes_back_has_not_begun_for_the_next_owner(sender, message, consume, begun):
    """A requeue by the same owner takes the note away too."""
    sender.publish(message())
    consumer = consume()
    consumer.lane.begin(consumer.wait(1))
    consumer.lane.want(1)
    consumer.settle(*consumer.got, verdict=Verdict.REQUEUE)
    consumer.wait(2)
    assert [0] == begun()


def test_only_what_a_lane_owns_begins(sender, message, consume, begun):
    """The delivery of another lane, one that is settled, and any of a closed lane are passed over."""
    sender.publish_many([message(b"1"), message(b"2")])
    mine, theirs = consume(credit=1), consume(credit=1)
    (delivery,) = mine.wait(1)
    theirs.wait(1)
    theirs.lane.begin([delivery])
    assert [0, 0] == begun()
    mine.settle(delivery)
    mine.lane.begin([delivery])
    theirs.close()
    theirs.lane.begin(theirs.got)
    assert 1 == len(consume().wait(1))
    assert [0] == begun()


def test_a_lane_without_its_lease_begins_nothing(transport, sender, message, consume):
    """A worker that was stopped begins late what is another's by now: it is told so, and the count is not touched."""
    sender.publish(message())
    late = consume()
    late.wait(1)
    with transport._store.write(BrokerLost) as db:
        recover(db, late.lane._owner.id)
    told = []
    late.lane.on_fenced = lambda: told.append("fenced")
    late.lane.want(0)
    late.lane.begin(late.got)
    assert ["fenced"] == told
    assert 1 == late.lane.info()["fenced"]
    first = consume()
    assert 2 == first.wait(1)[0].deliveries
    first.close()
    assert 2 == consume().wait(1)[0].deliveries


def test_a_lane_that_asks_for_nothing_learns_of_its_lost_lease(transport, sender, message, consume):
    """Its worker is busy, and may have more in its hosts that has not begun."""
    sender.publish(message())
    late, told = consume(credit=1), []
    late.wait(1)
    late.lane.on_fenced = lambda: told.append("fenced")
    with transport._store.write(BrokerLost) as db:
        recover(db, late.lane._owner.id)
    late.loop.until(lambda: told)
    assert ["fenced"] == told


def test_a_lane_learns_that_what_the_last_one_left_belongs_to_others(
    transport, open_transport, sender, message, consume
):
    """Its database was away for longer than its lease."""
    sender.publish(message())
    loop = consume(open_transport(), queues=["other"]).loop
    first, told = consume(credit=1), []
    first.wait(1)
    owner = first.lane._owner
    transport._identity.fail()
    first.close()
    with transport._store.write(BrokerLost) as db:
        recover(db, owner.id)
    lane = transport.lane()
    lane.on_fenced = lambda: told.append("fenced")
    lane.open(loop, ["q"], lambda batch: None)
    lane.close()
    assert ["fenced"] == told


def test_a_busy_database_is_told(url, settings, open_transport, sender, message, consume):
    """A job whose beginning could not be noted does not begin: the caller is told that the broker is lost."""
    settings.broker_connection_timeout = 1.0
    sender.publish(message())
    consumer = consume(open_transport())
    consumer.wait(1)
    holder = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(BrokerLost):
        consumer.lane.begin(consumer.got)
    holder.execute("ROLLBACK")
    holder.close()


def test_what_was_in_flight_in_version_2_has_not_begun_in_version_3(transport, message, monkeypatch):
    """Flights of an older worker are kept; their first loss counts."""
    store = transport._store
    with monkeypatch.context() as older:
        older.setattr(schema, "MIGRATIONS", schema.MIGRATIONS[:2])
        with store.write(BrokerLost) as db:
            db.execute("INSERT INTO owner(id, name, pid, since) VALUES(7, 'old', 1, 0)")
            for attempts in (0, 1):
                row = ("q", 9, b"{}", b"{}", "", "", None, b"x")
                ident = db.execute(INSERT_MESSAGE, row).lastrowid
                db.execute("UPDATE message SET attempts=? WHERE id=?", (attempts, ident))
                db.execute("INSERT INTO flight(owner, id) VALUES(7, ?)", (ident,))
            db.execute(INSERT_READY, ("q", 9, db.execute(INSERT_MESSAGE, row).lastrowid))
        store.close()
    with store.write(BrokerLost) as db:
        assert 2 == recover(db, 7)
        counts = [attempts for (attempts,) in db.execute("SELECT attempts FROM ready ORDER BY id")]
    assert [1, 1, 0] == counts
    with store.read(BrokerLost) as db:
        assert ledger.anything_ready(db, ["q"])


def test_an_early_acknowledgement_tells_whether_it_was_in_time(transport, sender, message, consume):
    """Not after the lease has ended, though its lane learns of that only now."""
    sender.publish_many([message(), message()])
    told = []

    def tell(deliveries, ours):
        told.extend((delivery.tag, ours) for delivery in deliveries)

    lane = consume(credit=1)
    first = lane.wait(1)[0]
    lane.lane.acknowledge([first], tell)
    assert [(first.tag, True)] == told
    lane.lane.want(1)
    second = lane.wait(2)[1]
    with transport._store.write(BrokerLost) as db:
        recover(db, lane.lane._owner.id)
    lane.lane.want(0)
    lane.lane.acknowledge([second], tell)
    lane.lane.acknowledge([second], tell)
    assert [(second.tag, False)] * 2 == told[1:]
    assert 2 == consume().wait(1)[0].deliveries
