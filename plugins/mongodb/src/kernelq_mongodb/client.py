"""The connection to the database: made when needed, given up at a fork, and its errors in KernelQ's words."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from bson.errors import InvalidBSON, InvalidDocument, InvalidStringData
from pymongo import MongoClient
from pymongo.errors import DocumentTooLarge, PyMongoError

from kernelq.forks import after_fork
from kernelq.kernel.errors import BackendUnreachable, ConfigurationError
from kernelq.serialization import EncodeError

if TYPE_CHECKING:
    from pymongo.database import Database

    from kernelq_mongodb.location import Location

T = TypeVar("T")

REFUSED = (InvalidDocument, InvalidStringData, InvalidBSON, DocumentTooLarge, OverflowError)
"""What pymongo raises for values that no document takes."""


class Client:
    """Runs functions with the database. Thread-safe; a forked child has connections of its own."""

    def __init__(self, location: Location) -> None:
        self.location = location
        self._client: MongoClient[dict[str, Any]] | None = None
        self._inherited: list[Any] = []
        self._lock = threading.Lock()
        after_fork(self._forked)

    def run(self, work: Callable[[Database[dict[str, Any]]], T]) -> T:
        """Return what `work` returns.

        Raises `BackendUnreachable`; `EncodeError` where no document takes the values; `ConfigurationError` for a URL
        or a setting that pymongo does not understand.
        """
        try:
            return work(self._made()[self.location.database])
        except REFUSED as error:
            raise EncodeError(f"the result store refuses this result: {error}") from error
        except PyMongoError as error:
            raise BackendUnreachable(f"the result store {self.location.safe()} did not do its work: {error}") from error

    def close(self) -> None:
        """Close every connection; a later `run` opens others."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    def _made(self) -> MongoClient[dict[str, Any]]:
        with self._lock:
            if self._client is None:
                try:
                    self._client = MongoClient(self.location.url, **self.location.arguments)
                except (PyMongoError, ValueError, TypeError) as error:  # it has not connected yet
                    raise ConfigurationError(f"result_backend or mongodb_backend_settings: {error}") from error
            return self._client

    def _forked(self) -> None:
        # The parent's client is kept, unused: its end would say goodbye on connections that are the parent's.
        if self._client is not None:
            self._inherited.append(self._client)
        self._client = None
        self._lock = threading.Lock()
