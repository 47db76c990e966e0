"""Where the database is: the URL, and what pymongo is told of it."""

from __future__ import annotations

import re
from typing import Any

import attrs

from kernelq.kernel.errors import ConfigurationError
from kernelq_mongodb.options import COLLECTION, DATABASE, GROUPS, MongoSettings

EXAMPLE = "mongodb://user:password@host/database, mongodb+srv://cluster.example.com/database"
IN_THE_URL = ("host", "port", "user", "password", "mongo_host")
"""Names that Celery takes in ``mongodb_backend_settings`` and that the URL says here."""

_PASSWORD = re.compile(r"(//[^:/@]*:)[^@]*@")
_PATH = re.compile(r"^mongodb(?:\+srv)?://[^/]+/([^?]+)")


@attrs.frozen
class Location:
    """A database, its two collections, and the arguments of the client that goes there."""

    url: str
    database: str
    tasks: str
    groups: str
    arguments: dict[str, Any]

    def safe(self) -> str:
        """Return the URL with its password replaced by ``**``."""
        return _PASSWORD.sub(r"\1**@", self.url)


def locate(url: str, settings: MongoSettings) -> Location:
    """Return what a URL and the settings name; it connects to nothing. Raises `ConfigurationError`."""
    if url in ("mongodb:", "mongodb://"):
        url = "mongodb://localhost"
    if not url.startswith(("mongodb://", "mongodb+srv://")) or not url.partition("://")[2]:
        raise ConfigurationError(f"result_backend: this is no URL of a MongoDB; write {EXAMPLE}")
    given = dict(settings.mongodb_backend_settings)
    for name in IN_THE_URL:
        if name in given:
            raise ConfigurationError(
                f"mongodb_backend_settings: {name!r} belongs into the URL of result_backend; write {EXAMPLE}"
            )
    in_url = _PATH.match(url)
    database = given.pop("database", None) or (in_url[1] if in_url else DATABASE)
    tasks = given.pop("taskmeta_collection", COLLECTION)
    groups = given.pop("groupmeta_collection", GROUPS)
    milliseconds = max(int(settings.mongodb_timeout * 1000), 1)
    limits = ("timeoutMS", "serverSelectionTimeoutMS", "connectTimeoutMS")
    if "max_pool_size" in given:
        given["maxPoolSize"] = given.pop("max_pool_size")
    arguments = {**dict.fromkeys(limits, milliseconds), **given.pop("options", {}), **given, "tz_aware": True}
    return Location(url, database, tasks, groups, arguments)
