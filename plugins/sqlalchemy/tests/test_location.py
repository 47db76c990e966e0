"""Where the database is."""

from __future__ import annotations

import pytest

from kernelq.kernel.errors import ConfigurationError
from kernelq_sqlalchemy import location
from kernelq_sqlalchemy.location import locate


@pytest.mark.parametrize(
    ("url", "driver"),
    [
        ("db+postgresql://h/d", "postgresql+psycopg"),
        ("database+postgresql://h/d", "postgresql+psycopg"),
        ("db+postgresql+psycopg2://h/d", "postgresql+psycopg2"),
        ("db+mysql://h/d", "mysql+pymysql"),
        ("db+mariadb://h/d", "mariadb+pymysql"),
        ("db+mysql+pymysql://h/d", "mysql+pymysql"),
        ("db+sqlite:///r.db", "sqlite"),
    ],
)
def test_the_driver_is_the_one_named_or_one_that_is_installed(url, driver, monkeypatch):
    monkeypatch.setattr(location, "find_spec", lambda name: name in ("psycopg", "pymysql") or None)
    assert driver == locate(url).url.drivername


def test_without_a_driver_the_error_says_what_to_type(monkeypatch):
    monkeypatch.setattr(location, "find_spec", lambda name: None)
    with pytest.raises(ConfigurationError, match=r"kernelq-sqlalchemy\[mysql\]"):
        locate("db+mariadb://h/d")


@pytest.mark.parametrize("url", ["db", "database", "db+", "db://h:secret@x/d", "db+secret"])
def test_what_is_no_url_is_an_error_that_shows_none_of_it(url):
    with pytest.raises(ConfigurationError, match="db\\+postgresql://") as caught:
        locate(url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("url", ["db+sqlite://", "db+sqlite:///:memory:"])
def test_a_database_that_one_connection_sees_is_refused(url):
    with pytest.raises(ConfigurationError, match="memory"):
        locate(url)


def test_passwords_are_not_shown():
    """Neither that of the user, nor one among the driver's arguments."""
    shown = locate("db+postgresql+psycopg://me:hush@host:1/d?sslpassword=quiet&application_name=x").safe()

    assert "db+postgresql+psycopg://me:**@host:1/d?application_name=x&sslpassword=**" == shown


@pytest.mark.parametrize(
    ("url", "name", "value"),
    [
        ("db+postgresql+psycopg://h/d", "options", "-c statement_timeout=2500"),
        ("db+postgresql+psycopg2://h/d", "connect_timeout", 3),
        ("db+mysql+pymysql://h/d", "read_timeout", 3),
        ("db+mysql+mysqldb://h/d", "read_timeout", 3),
        ("db+sqlite:///x.db", "timeout", 2.5),
        ("db+oracle+oracledb://h/d", "timeout", None),
    ],
)
def test_each_driver_is_told_the_time_limit_in_its_own_words(url, name, value):
    assert value == locate(url).connect_args(2.5).get(name)
