"""Where the database is: the URL, its driver, and the driver's own time limits."""

from __future__ import annotations

import math
from importlib.util import find_spec
from typing import Any

import attrs
from sqlalchemy import URL
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from kernelq.kernel.errors import ConfigurationError

EXAMPLE = "db+postgresql://user@host/name, db+mysql://user@host/name, db+sqlite:///results.db"
DRIVERS = {"postgresql": ("psycopg", "psycopg2"), "mysql": ("MySQLdb", "pymysql"), "mariadb": ("MySQLdb", "pymysql")}
"""Modules that serve a dialect, the first that is installed is taken; where the URL names one, that one."""

STRICT = "SET SESSION sql_mode = CONCAT(@@sql_mode, ',STRICT_TRANS_TABLES')"
"""Without it MySQL cuts off what is too long for its column, and says nothing."""


@attrs.frozen
class Location:
    """A database, as SQLAlchemy names it."""

    prefix: str
    """``db`` or ``database``."""
    url: URL

    def connect_args(self, seconds: float) -> dict[str, Any]:
        """Return the driver's arguments by which nothing takes longer than `seconds`."""
        whole, milliseconds = math.ceil(seconds), math.ceil(seconds * 1000)
        driver = self.url.get_driver_name()
        if driver in ("psycopg", "psycopg2"):
            return {
                "connect_timeout": max(whole, 2),
                "options": f"-c statement_timeout={milliseconds}",
                "keepalives_idle": 1,
                "keepalives_interval": 1,
                "keepalives_count": max(whole - 1, 1),
                "tcp_user_timeout": milliseconds,
            }
        if driver == "pymysql":
            limits = ("connect_timeout", "read_timeout", "write_timeout")
            return {"init_command": STRICT, **dict.fromkeys(limits, whole)}
        if driver == "mysqldb":
            return {"init_command": STRICT, "connect_timeout": whole, "read_timeout": whole, "write_timeout": whole}
        if driver == "pysqlite":
            return {"timeout": seconds}
        return {}

    def safe(self) -> str:
        """Return the URL with its passwords replaced by ``**``."""
        hidden = {name: "**" if "pass" in name.lower() else value for name, value in self.url.query.items()}
        shown = self.url.set(query=hidden).render_as_string(hide_password=True).replace("%2A%2A", "**")
        return f"{self.prefix}+{shown.replace(':***@', ':**@')}"


def locate(url: str) -> Location:
    """Return what ``db+<SQLAlchemy's URL>`` names. Raises `ConfigurationError`, which shows no password."""
    prefix, plus, rest = url.partition("+")
    try:
        found = make_url(rest if plus else "")
    except ArgumentError:
        raise ConfigurationError(f"result_backend: this is no database's URL; write {EXAMPLE}") from None
    dialect, _, driver = found.drivername.partition("+")
    if not driver and dialect in DRIVERS:
        found = found.set(drivername=f"{dialect}+{_driver(dialect)}")
    if dialect == "sqlite" and found.database in (None, "", ":memory:"):
        raise ConfigurationError(
            "result_backend: a SQLite database in memory is seen by one connection only; name a file, "
            "db+sqlite:///results.db, or take memory://"
        )
    return Location(prefix, found)


def _driver(dialect: str) -> str:
    for module in DRIVERS[dialect]:
        if find_spec(module) is not None:
            return module.lower()
    extra = "mysql" if dialect == "mariadb" else dialect
    raise ConfigurationError(
        f"result_backend: no driver for {dialect} is installed (one of {', '.join(DRIVERS[dialect])}); "
        f"type: pip install 'kernelq-sqlalchemy[{extra}]'"
    )
