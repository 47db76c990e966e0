"""The database's place: its files are made once and never opened behind SQLite's back."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys

import pytest

from kernelq.kernel.errors import ConfigurationError
from kernelq_sqlite.location import locate

LEAVE = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
db.execute("INSERT INTO t VALUES (1)")
db.commit()
db.close()
"""


def test_a_second_location_in_a_process_keeps_the_locks_of_the_first(tmp_path):
    """Closing a descriptor of the file drops SQLite's POSIX locks; another process's exit then deletes our WAL."""
    path = tmp_path / "q.db"
    locate(f"sqlite:///{path}").prepare()
    db = sqlite3.connect(path)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("CREATE TABLE t(x)")
    db.commit()
    log = os.stat(f"{path}-wal").st_ino

    locate(f"sqlite:///{path}").prepare()
    subprocess.run([sys.executable, "-c", LEAVE, str(path)], check=True, timeout=30)

    assert log == os.stat(f"{path}-wal").st_ino
    assert [(1,)] == db.execute("SELECT x FROM t").fetchall()
    db.close()


def test_the_file_is_private(tmp_path):
    locate(f"sqlite:///{tmp_path}/q.db").prepare()
    assert 0o600 == os.stat(tmp_path / "q.db").st_mode & 0o777


def test_a_missing_directory_is_told_with_what_to_type(tmp_path):
    with pytest.raises(ConfigurationError, match="mkdir -p"):
        locate(f"sqlite:///{tmp_path}/no/q.db").prepare()
