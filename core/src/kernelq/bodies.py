"""The body of a task message: refused, or decoded into args, kwargs and embed (wire.md W1)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from kernelq.exceptions import SoftTimeLimitExceeded
from kernelq.limits import MAX_DEPTH, is_deep
from kernelq.serialization import decode_json, decompress, ensure, loads
from kernelq.texts import said

if TYPE_CHECKING:
    from kernelq.job import Job
    from kernelq.kernel.discovery import Discovery

Decoded = tuple[Any, Mapping[str, Any], "Mapping[str, Any] | None"]
"""args, kwargs, embed."""

MAX_BYTES = 16 * 1024 * 1024
MAX_DECOMPRESSED = 64 * 1024 * 1024
JSON = "application/json"

_EMBED = ("callbacks", "errbacks", "chain", "chord")
_TEXT = frozenset({str})
_UTF8 = frozenset({"utf-8", "utf8", "UTF-8", "us-ascii", "ascii"})


class Refused(Exception):
    """The body is not decoded, or is no task's; the message is the reason that the dead set shows."""


class BodyReader:
    """Decodes bodies of the content types that are accepted, and of no other.

    `accept` holds names (``json``) or content types; plugins' serializers are looked for in `discovery`. Sizes are in
    bytes. Raises `kernelq.kernel.errors.ConfigurationError` for a name that no serializer has.
    """

    def __init__(
        self,
        accept: Collection[str] = ("json",),
        max_bytes: int = MAX_BYTES,
        max_decompressed: int = MAX_DECOMPRESSED,
        discovery: Discovery | None = None,
    ) -> None:
        self._accept = frozenset(_content_type(name, discovery) for name in accept)
        self._max_bytes = max_bytes
        self._max_decompressed = max_decompressed

    def read(self, job: Job) -> Decoded:
        """Return args, kwargs and embed. Raises `Refused`, and nothing else, whatever the bytes are."""
        try:
            value = self.decode(job.body, job.content_type, job.content_encoding, job.headers.get("compression"))
        except (Refused, SoftTimeLimitExceeded):
            raise
        except Exception as error:  # noqa: BLE001 - a serializer may raise anything at malformed bytes
            raise Refused(f"the body cannot be decoded: {said(error, 300)}") from None
        return _parts(value)

    def decode(self, body: Any, content_type: str, encoding: str, compression: str | None = None) -> Any:
        """Return the decoded body. Raises `Refused`, `kernelq.serialization.DecodeError`, LookupError, UnicodeError."""
        if content_type not in self._accept:
            accepted = ", ".join(sorted(self._accept))
            raise Refused(f"content type {content_type!r} is not accepted (accept_content: {accepted})")
        data = body if isinstance(body, bytes) else _bytes(body)
        if len(data) > self._max_bytes:
            raise Refused(f"the body has {len(data)} bytes; max_message_bytes is {self._max_bytes}")
        if compression:
            data = decompress(data, compression, self._max_decompressed)
        if content_type == JSON:
            value = decode_json(data if encoding in _UTF8 else data.decode(encoding))
        else:
            value = loads(data, content_type, encoding or "utf-8", self._accept)
        if (data.count(b"[") + data.count(b"{") > MAX_DEPTH or content_type != JSON) and is_deep(value):
            raise Refused(f"the body is nested deeper than {MAX_DEPTH} levels")
        return value


def _content_type(name: str, discovery: Discovery | None) -> str:
    if "/" in name:
        return name
    found: str = JSON if name == "json" else ensure(name, discovery).name_to_type[name]
    return found


def _parts(value: Any) -> Decoded:
    if isinstance(value, list | tuple) and len(value) == 3:
        args, kwargs, embed = value
        if type(args) is list and type(kwargs) is dict and type(embed) is dict and _TEXT.issuperset(map(type, kwargs)):
            return args, kwargs, embed  # as nearly all are; the questions below take 1.5 µs
    elif isinstance(value, Mapping) and ("args" in value or "task" in value):
        args, kwargs = value.get("args") or [], value.get("kwargs") or {}
        embed = {name: value.get(name) for name in _EMBED}
    else:
        raise Refused("the body is neither [args, kwargs, embed] nor a protocol 1 mapping")
    if not isinstance(args, list | tuple):
        raise Refused(f"args is {type(args).__name__}, not a list")
    if not isinstance(kwargs, Mapping) or not all(isinstance(key, str) for key in kwargs):
        raise Refused("kwargs is no mapping with strings as keys")
    if embed is not None and not isinstance(embed, Mapping):
        raise Refused(f"embed is {type(embed).__name__}, not a mapping")
    return args, kwargs, embed


def _bytes(body: Any) -> bytes:
    if isinstance(body, str):
        return body.encode("utf-8")
    if isinstance(body, bytearray | memoryview):
        return bytes(body)
    raise Refused(f"the body is {type(body).__name__}, not bytes")
