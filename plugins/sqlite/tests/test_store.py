from __future__ import annotations

import gc
import os
import resource
import sqlite3
import stat
import subprocess
import sys
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor

import pytest

from kernelq.kernel.errors import BackendUnreachable, BrokerLost, BrokerUnreachable, ConfigurationError
from kernelq.outcome import Record
from kernelq_sqlite import schema
from kernelq_sqlite.backend import SqliteBackend
from kernelq_sqlite.location import locate
from kernelq_sqlite.store import Store
from kernelq_sqlite.transport import SqliteTransport


@pytest.fixture
def path(url):
    return url.removeprefix("sqlite:///")


@pytest.fixture
def store(url):
    store = Store(locate(url))
    yield store
    store.close()


@pytest.mark.parametrize("bad", ["sqlite://", "sqlite:///", "sqlite:///:memory:", "sqlite://host/x.db"])
def test_a_url_without_a_file_is_refused(bad, settings):
    with pytest.raises(ConfigurationError, match="sqlite:///relative.db"):
        SqliteTransport(bad, settings)


def test_relative_and_absolute_urls(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert f"{tmp_path}/a b.db" == locate("sqlite:///a%20b.db").path
    assert "/x/y.db" == locate("sqlite:////x/y.db").path


def test_files_are_for_their_user_only(store, path):
    store.open(BrokerUnreachable)
    assert 0o600 == stat.S_IMODE(os.stat(path).st_mode)
    assert 0o700 == stat.S_IMODE(os.stat(path + ".d").st_mode)
    assert 0o600 == stat.S_IMODE(os.stat(path + "-wal").st_mode)


def test_a_missing_directory_says_mkdir(tmp_path, settings):
    sender = SqliteTransport(f"sqlite:///{tmp_path}/no/such/kq.db", settings).sender()
    with pytest.raises(ConfigurationError, match=f"mkdir -p {tmp_path}/no/such"):
        sender.publish(_message())


def _message():
    from kernelq.message import Message

    return Message("1", {"task": "t", "id": "1"}, b"[]", {}, "q")


def test_a_directory_is_no_database(tmp_path, settings):
    with pytest.raises(ConfigurationError, match="is a directory"):
        SqliteTransport(f"sqlite:///{tmp_path}", settings).sender().publish(_message())


def test_another_file_is_no_database(store, path):
    with open(path, "w") as file:
        file.write("dear diary, " * 1000)
    with pytest.raises(ConfigurationError, match="not a database"):
        store.open(BrokerUnreachable)
    with open(path) as file:
        assert file.read().startswith("dear diary, ")


def test_another_programs_database_is_left_alone(store, path):
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE customer(name)")
    db.close()
    with pytest.raises(ConfigurationError, match="another program"):
        store.open(BrokerUnreachable)


def test_a_read_only_directory_is_told(tmp_path):
    """As a user without rights there, the sentence names the database and why."""
    os.chmod(tmp_path, 0o755)
    for parent in tmp_path.parents:  # what pytest and the gate make for this user alone
        if parent.stat().st_uid == os.geteuid() and not parent.stat().st_mode & 0o001:
            os.chmod(parent, 0o755)
    code = (
        "import os, sys\n"
        "from kernelq.kernel.errors import BrokerUnreachable, ConfigurationError\n"
        "from kernelq_sqlite.location import locate\n"
        "from kernelq_sqlite.store import Store\n"
        "if os.geteuid() == 0: os.setuid(65534)\n"
        "try: Store(locate(sys.argv[1])).open(BrokerUnreachable)\n"
        "except ConfigurationError as error: print(error)\n"
    )
    os.chmod(tmp_path, 0o555)
    done = subprocess.run(
        [sys.executable, "-c", code, f"sqlite:///{tmp_path}/kq.db"], capture_output=True, text=True, check=True
    )
    os.chmod(tmp_path, 0o755)
    assert "cannot write the database" in done.stdout


def test_an_old_file_is_migrated_and_keeps_what_it_has(url, sender, message, monkeypatch, consume, transport):
    """A file of an older version gets the migrations that came after, in one transaction."""
    sender.publish(message(b"old"))
    sender.close()

    def newest(db):
        db.execute("CREATE TABLE later(x)")

    known = len(schema.MIGRATIONS)
    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, newest))
    consumer = consume()
    consumer.wait(1)
    assert [b"old"] == consumer.bodies()
    with transport._store.read(BrokerLost) as db:
        assert known + 1 == db.execute("PRAGMA user_version").fetchone()[0]
        assert [] == db.execute("SELECT * FROM later").fetchall()


def test_results_of_version_1_are_kept_in_the_table_of_version_2(url, settings, store, path, monkeypatch):
    """Version 2 orders results by arrival: what version 1 stored is read, kept, and cleaned up as before."""
    soon, success = time.time() + 60, "SUCCESS"
    with monkeypatch.context() as older:
        older.setattr(schema, "MIGRATIONS", schema.MIGRATIONS[:1])
        with store.write(BrokerUnreachable) as db:
            rows = [("b", success, None, b"kept"), ("a", "FAILURE", soon, b"failed"), ("c", success, 1.0, b"expired")]
            db.executemany("INSERT INTO result VALUES(?,?,?,?)", rows)
        store.close()
    backend = SqliteBackend(url, settings)
    assert (b"kept", b"failed", None) == (backend.get("b"), backend.get("a"), backend.get("c"))
    backend.store_many([Record("b", "FAILURE", b"late", None), Record("a", success, b"new", 60.0)])
    assert (b"kept", b"new") == (backend.get("b"), backend.get("a"))
    assert 1 == backend.cleanup()
    backend.close()
    db = sqlite3.connect(path)
    assert len(schema.MIGRATIONS) == db.execute("PRAGMA user_version").fetchone()[0]
    assert [] == db.execute("SELECT 1 FROM sqlite_master WHERE name LIKE 'old%'").fetchall()
    assert ["ok"] == [row for (row,) in db.execute("PRAGMA integrity_check")]
    db.close()


def test_a_failing_migration_changes_nothing(store, path, sender, message, monkeypatch):
    sender.publish(message())
    sender.close()

    def broken(db):
        db.execute("CREATE TABLE later(x)")
        db.execute("INSERT INTO nowhere VALUES(1)")

    known = len(schema.MIGRATIONS)
    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, broken))
    with pytest.raises(BrokerUnreachable, match="nowhere"):
        store.open(BrokerUnreachable)
    db = sqlite3.connect(path)
    assert known == db.execute("PRAGMA user_version").fetchone()[0]
    assert [] == db.execute("SELECT 1 FROM sqlite_master WHERE name='later'").fetchall()
    db.close()


def test_a_newer_file_is_refused_with_a_sentence(store, path):
    store.open(BrokerUnreachable)
    store.close()
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version=99")
    db.close()
    with pytest.raises(ConfigurationError, match=r"version 99 .* pip install --upgrade kernelq"):
        store.open(BrokerUnreachable)


def test_a_busy_database_is_told_in_time(url, settings):
    """A sender does not wait longer than `broker_connection_timeout` for whoever holds the writer lock."""
    settings.broker_connection_timeout = 1.0
    holder, sender = Store(locate(url)), SqliteTransport(url, settings).sender()
    sender.publish(_message())
    with holder.write(BrokerLost):
        started = time.monotonic()
        with pytest.raises(BrokerUnreachable, match="busy"):
            sender.publish(_message())
        assert 0.9 < time.monotonic() - started < 30
    sender.publish(_message())
    sender.close()
    holder.close()


def test_a_foreign_writer_is_waited_for(url, path, settings):
    """A program that knows nothing of the writer lock meets SQLite's own."""
    settings.broker_connection_timeout = 1.0
    sender = SqliteTransport(url, settings).sender()
    sender.publish(_message())
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("BEGIN IMMEDIATE")
    with pytest.raises(BrokerUnreachable, match="locked"):
        sender.publish(_message())
    db.execute("ROLLBACK")
    db.close()
    sender.publish(_message())
    sender.close()


def test_a_replaced_file_is_noticed_by_the_lane(consume, path):
    """A lane whose file is deleted raises BrokerLost within a second, and says what happened."""
    consumer = consume()
    consumer.loop.run(0.1)
    os.unlink(path)
    with pytest.raises(BrokerLost, match="deleted or replaced"):
        consumer.loop.run(30)


def test_a_sender_goes_on_in_the_new_file(url, path, sender, message, open_transport, consume):
    """What is published after the file was deleted is in the new file, not in the one that has no name."""
    sender.publish(message(b"old"))
    os.unlink(path)
    sender.publish(message(b"new"))
    consumer = consume(open_transport())
    consumer.wait(1)
    assert [b"new"] == consumer.bodies()


def test_a_full_disk_is_told_and_corrupts_nothing(url, path, settings):
    """With the file at its size limit the sender gets a sentence, what was accepted stays, and later sends work."""
    sender = SqliteTransport(url, settings).sender()
    sender.publish(_message())
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, before[1]))
    accepted = 1
    try:
        error = None
        while error is None:
            try:
                sender.publish(_message())
                accepted += 1
            except BrokerUnreachable as told:
                error = told
        assert "disk" in str(error)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    sender.publish(_message())
    sender.close()
    db = sqlite3.connect(path)
    assert "ok" == db.execute("PRAGMA integrity_check").fetchone()[0]
    assert accepted + 1 == db.execute("SELECT count(*) FROM message").fetchone()[0]
    db.close()


def test_a_full_disk_leaves_room_for_acknowledgements(url, path, consume, sender, message):
    """The space that a lane set aside is dropped when a write meets a full disk, and the next settlement works."""
    sender.publish(message())
    consumer = consume()
    (delivery,) = consumer.wait(1)
    assert os.stat(path + ".d/ballast").st_blocks * 512 >= 4 * 1024 * 1024
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (os.stat(path + "-wal").st_size, before[1]))
    try:
        with pytest.raises(BrokerLost, match="reserved space was freed"):
            consumer.settle(delivery)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not os.path.exists(path + ".d/ballast")
    consumer.close()
    again = consume()
    again.settle(delivery)
    again.loop.run(0.1)
    assert [] == again.got


def test_threads_share_commits(url, settings, path):
    """Many threads publish through one sender, and each message is there once."""
    sender = SqliteTransport(url, settings).sender()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: sender.publish(_message()), range(400)))
    sender.close()
    db = sqlite3.connect(path)
    assert 400 == db.execute("SELECT count(*) FROM ready").fetchone()[0]
    db.close()


def test_the_log_does_not_grow_without_end(store):
    """A writer alone checkpoints its log when it is 16 MB long."""
    store.open(BrokerUnreachable)
    for n in range(1200):
        with store.write(BrokerUnreachable) as db:
            db.execute("INSERT INTO result VALUES(?,?,?,?)", (str(n), "SUCCESS", None, b"x" * 30_000))
    assert store.wal_size() < 20 * 1024 * 1024


def test_nothing_leaks_over_a_hundred_openings(open_transport, consume, url, message, settings):
    """Lanes, senders, admins and connections give every descriptor and thread back."""

    def all_of_it():
        transport = SqliteTransport(url, settings)
        consumer = consume(transport)
        sender = transport.sender()
        sender.publish(message())
        consumer.wait(1)
        consumer.settle(*consumer.got)
        connection = transport.connection()
        with connection.channel() as channel:
            connection.SimpleQueue("other", channel=channel).close()
        connection.close()
        transport.admin().queues()
        consumer.close()
        sender.close()
        transport.close()

    all_of_it()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what other tests have left behind is collected here, and is not this test's
        gc.collect()
    before, threads = len(os.listdir("/proc/self/fd")), threading.active_count()
    for _ in range(100):
        all_of_it()
    gc.collect()
    end = time.monotonic() + 30
    while threading.active_count() > threads and time.monotonic() < end:
        time.sleep(0.01)
    assert before >= len(os.listdir("/proc/self/fd"))
    assert threads >= threading.active_count()
    side = url.removeprefix("sqlite:///") + ".d"
    assert [[], [], []] == [os.listdir(os.path.join(side, kind)) for kind in ("lanes", "channels", "leases")]


@pytest.mark.usefixtures("only_bells")
def test_a_long_path_has_bells_too(tmp_path, settings, message, consume):
    """A Unix socket's address takes 108 bytes; a database may lie deeper."""
    deep = tmp_path / ("d" * 100) / ("e" * 100)
    deep.mkdir(parents=True)
    transport = SqliteTransport(f"sqlite:///{deep}/kq.db", settings)
    consumer = consume(transport)
    consumer.loop.run(0.1)
    sender = transport.sender()
    sender.publish(message())
    consumer.wait(1)
    sender.close()


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")  # workers fork with a lease thread
def test_a_forked_child_has_a_connection_of_its_own(sender, consume, message, transport):
    """Parent and child publish through the same sender object; the child's death leaves the parent's lease alone."""
    sender.publish(message(b"before"))
    consumer = consume()
    consumer.wait(1)
    children = []
    for n in range(4):
        pid = os.fork()
        if pid == 0:
            try:
                for k in range(20):
                    sender.publish(message(b"child-%d-%d" % (n, k)))
                sender.close()
            finally:
                os._exit(0)
        children.append(pid)
        for k in range(20):
            sender.publish(message(b"parent-%d-%d" % (n, k)))
    for pid in children:
        assert 0 == os.waitpid(pid, 0)[1]
    consumer.lane.want(1000)
    consumer.wait(161)
    assert 161 == len(set(consumer.bodies()))
    other = consume(SqliteTransport(transport.url, None))
    other.loop.run(1.2)
    assert [] == other.got
    consumer.settle(*consumer.got)


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")  # workers fork with a lease thread
def test_a_child_does_not_keep_its_parents_lease(url, open_transport, consume, sender, message):
    """When the owner dies while a child that it forked lives on, the lease is free all the same."""
    sender.publish(message())
    sender.close()
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:  # a worker, which forks a host and is killed
        lane_transport = SqliteTransport(url, None)
        got, soon = [], []

        class Loop:
            def call_soon(self, callback, *args):
                soon.append(lambda: callback(*args))

            def __getattr__(self, name):
                return lambda *args: None

        lane = lane_transport.lane()
        lane.open(Loop(), ["q"], got.extend)
        lane.want(1)
        while soon:
            soon.pop(0)()
        child = os.fork()
        if child == 0:
            os.write(writing, b"%d\n" % os.getpid())
            threading.Event().wait(60)
        os.write(writing, b"%d\n" % len(got))
        os.kill(os.getpid(), 9)
    os.waitpid(pid, 0)
    said = b""
    while said.count(b"\n") < 2:
        said += os.read(reading, 100)
    words = sorted(int(word) for word in said.split())
    try:
        assert 1 == words[0]
        (delivery,) = consume().wait(1, 10)
        assert 2 == delivery.deliveries
    finally:
        os.kill(words[1], 9)
        os.close(reading)
        os.close(writing)


def test_the_store_of_results_names_its_own_error(url, settings, path):
    from kernelq.outcome import Record
    from kernelq_sqlite.backend import SqliteBackend

    settings.broker_connection_timeout = 0.1
    backend, holder = SqliteBackend(url, settings), Store(locate(url))
    with holder.write(BrokerLost), pytest.raises(BackendUnreachable):
        backend.store_many([Record("a", "SUCCESS", b"", None)])
    backend.close()
    holder.close()


def test_two_processes_may_make_the_file_at_once(url):
    """Eight processes open a file that does not exist, and none of them fails."""
    code = (
        "import sys; from kernelq.kernel.errors import BrokerLost; from kernelq_sqlite.location import locate; "
        "from kernelq_sqlite.store import Store; Store(locate(sys.argv[1])).open(BrokerLost)"
    )
    peers = [subprocess.Popen([sys.executable, "-c", code, url]) for _ in range(8)]
    assert [0] * 8 == [peer.wait(60) for peer in peers]


def test_a_connection_of_another_process_is_neither_used_nor_closed(store, monkeypatch):
    """After a fork that called no hooks, by a C library, the child opens its own and leaves the copy alone."""
    store.open(BrokerLost)
    inherited = store._db
    kept = []
    monkeypatch.setattr("kernelq_sqlite.store._foreign", kept)
    monkeypatch.setattr(store, "_pid", os.getppid())
    with store.read(BrokerLost) as db:
        assert db is not inherited
    assert 1 == inherited.execute("SELECT 1").fetchone()[0]
    ((_, writer),) = kept
    inherited.close()
    writer.close()


def test_many_threads_are_all_told_in_time(url, settings):
    """The wait for other threads is part of the sender's timeout, not added to it."""
    settings.broker_connection_timeout = 2.0
    holder, sender = Store(locate(url)), SqliteTransport(url, settings).sender()
    sender.publish(_message())

    def publish(_):
        started = time.monotonic()
        with pytest.raises(BrokerUnreachable):
            sender.publish(_message())
        return time.monotonic() - started

    with holder.write(BrokerLost), ThreadPoolExecutor(6) as pool:
        assert max(pool.map(publish, range(6))) < 11  # one after the other would be twelve
    sender.close()
    holder.close()
