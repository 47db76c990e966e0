"""Where the database is."""

from __future__ import annotations

import pytest

from kernelq.kernel.errors import ConfigurationError
from kernelq_mongodb.location import locate
from kernelq_mongodb.options import MongoSettings


def settings(**given):
    return MongoSettings(mongodb_backend_settings=given)


@pytest.mark.parametrize(
    ("url", "database", "shown"),
    [
        ("mongodb://", "celery", "mongodb://localhost"),
        ("mongodb://h", "celery", "mongodb://h"),
        ("mongodb://me:hu%40nter@h:1,i:2/shop?replicaSet=r", "shop", "mongodb://me:**@h:1,i:2/shop?replicaSet=r"),
        ("mongodb+srv://me:secret@cluster/shop", "shop", "mongodb+srv://me:**@cluster/shop"),
    ],
)
def test_a_url_names_the_database(url, database, shown):
    found = locate(url, settings())
    assert (database, shown) == (found.database, found.safe())
    assert ("celery_taskmeta", "celery_groupmeta") == (found.tasks, found.groups)


def test_the_settings_go_before_the_url():
    found = locate(
        "mongodb://h/shop",
        settings(database="other", taskmeta_collection="t", groupmeta_collection="g", max_pool_size=3,
                 options={"appname": "kq"}),
    )  # fmt: skip
    assert ("other", "t", "g") == (found.database, found.tasks, found.groups)
    assert (3, "kq") == (found.arguments["maxPoolSize"], found.arguments["appname"])


def test_nothing_takes_longer_than_the_timeout():
    found = locate("mongodb://h", MongoSettings(mongodb_timeout=1.5))
    limits = ("timeoutMS", "serverSelectionTimeoutMS", "connectTimeoutMS")
    assert [1500] * 3 == [found.arguments[name] for name in limits]


@pytest.mark.parametrize("url", ["mongodb+srv://", "mongo://h", "mongodb"])
def test_what_is_no_url_is_refused_with_an_example(url):
    with pytest.raises(ConfigurationError, match="write mongodb://user:password@host/database"):
        locate(url, settings())


@pytest.mark.parametrize("name", ["host", "port", "user", "password", "mongo_host"])
def test_what_the_url_says_is_refused_in_the_settings(name):
    with pytest.raises(ConfigurationError, match=f"'{name}' belongs into the URL"):
        locate("mongodb://h", settings(**{name: "x"}))
