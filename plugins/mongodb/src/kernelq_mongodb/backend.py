"""The result store: what the URL schemes ``mongodb`` and ``mongodb+srv`` stand for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from pymongo import ReplaceOne
from pymongo.errors import BulkWriteError

from kernelq.kernel.contracts.backend import Placement
from kernelq.parts import newest
from kernelq.polling import Poller
from kernelq.states import READY_STATES, SUCCESS
from kernelq_mongodb.client import Client
from kernelq_mongodb.documents import EXPIRES, Documents
from kernelq_mongodb.location import locate
from kernelq_mongodb.notices import MongoNotices
from kernelq_mongodb.options import MongoSettings

if TYPE_CHECKING:
    from pymongo.collection import Collection

    from kernelq.conf import Conf
    from kernelq.outcome import Record

DUPLICATE = 11000
"""MongoDB's code for an upsert that found the id taken: by a SUCCESS, which the filter passes over, or by a rival."""

Documented = dict[str, Any]


class MongoBackend:
    """Results in a MongoDB collection. See the contract `ResultBackend`."""

    placement = Placement.HOST
    multiprocess = True

    def __init__(self, url: str, settings: Conf) -> None:
        self.url = url
        self.location = locate(url, settings.section(MongoSettings))
        self._client = Client(self.location)
        self._documents = Documents(settings)
        self._expires = settings.result_expires
        self._indexed = False
        self._poller = Poller(self._ready)

    def store_many(self, records: Sequence[Record]) -> None:
        """Store all records in one command. Raises `BackendUnreachable`; `EncodeError` for what no document takes."""
        if records:
            self._client.run(partial(self._write, [self._documents.document(record) for record in newest(records)]))
            self._poller.nudge()

    def get(self, task_id: str) -> bytes | None:
        """Return the stored payload of a task, or None."""
        for document in self._find({"_id": task_id}):
            if not self._documents.expired(document):
                return self._documents.payload(document)
        return None

    def wait(self, task_ids: Sequence[str], timeout: float | None) -> dict[str, bytes]:
        """Block until any of the tasks is ready or `timeout` seconds have passed; return what is ready."""
        return self._poller.wait(task_ids, timeout)

    async def wait_async(self, task_ids: Sequence[str], timeout: float | None) -> dict[str, bytes]:
        """Do as `wait` on the running event loop."""
        return await self._poller.wait_async(task_ids, timeout)

    def forget(self, task_ids: Sequence[str]) -> None:
        """Delete results."""
        self._client.run(lambda db: self._tasks(db).delete_many({"_id": {"$in": list(task_ids)}}))

    def cleanup(self) -> int:
        """Delete expired results, and groups that Celery has saved; return how many."""
        now = datetime.now(UTC)
        old: list[Documented] = [{EXPIRES: {"$lte": now}}]
        before = now - timedelta(seconds=self._expires) if self._expires else None
        if before is not None:
            old.append({EXPIRES: {"$exists": False}, "date_done": {"$lt": before}})

        def work(db: Any) -> int:
            count: int = self._tasks(db).delete_many({"$or": old}).deleted_count
            if before is not None:
                count += db[self.location.groups].delete_many({"date_done": {"$lt": before}}).deleted_count
            return count

        return self._client.run(work)

    def notices(self) -> MongoNotices:
        """Return what the whole cluster is to know, kept in a collection of the same database."""
        return MongoNotices(Client(self.location))

    def close(self) -> None:
        """Free everything."""
        self._poller.join()
        self._client.close()

    def safe_url(self) -> str:
        """Return the URL with its password replaced by ``**``."""
        return self.location.safe()

    # the collection

    def _tasks(self, db: Any) -> Collection[Documented]:
        tasks: Collection[Documented] = db[self.location.tasks]
        if not self._indexed:
            tasks.create_index("date_done")  # Celery's own; the next has the server delete what has expired
            tasks.create_index(EXPIRES, expireAfterSeconds=0)
            self._indexed = True
        return tasks

    def _write(self, documents: list[Documented], db: Any) -> None:
        tasks = self._tasks(db)
        for last in (False, True):
            try:
                tasks.bulk_write([_replacement(one) for one in documents], ordered=False)
                return
            except BulkWriteError as error:
                failures = error.details["writeErrors"]
                if any(failure["code"] != DUPLICATE for failure in failures) or error.details.get("writeConcernErrors"):
                    raise
                documents = [documents[failure["index"]] for failure in failures]
            if last:
                return  # each of them is a SUCCESS already

    def _ready(self, task_ids: Sequence[str]) -> dict[str, bytes]:
        wanted = {"_id": {"$in": list(task_ids)}, "status": {"$in": sorted(READY_STATES)}}
        documents = self._documents
        return {one["_id"]: documents.payload(one) for one in self._find(wanted) if not documents.expired(one)}

    def _find(self, wanted: Documented) -> list[Mapping[str, Any]]:
        return self._client.run(lambda db: list(self._tasks(db).find(wanted)))


def _replacement(document: Documented) -> ReplaceOne[Documented]:
    """Return the write of a document in the place of any that is no SUCCESS, or of one that has expired."""
    free = {"$or": [{"status": {"$ne": SUCCESS}}, {EXPIRES: {"$lte": datetime.now(UTC)}}]}
    return ReplaceOne({"_id": document["_id"], **free}, document, upsert=True)
