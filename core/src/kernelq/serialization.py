"""How values become bytes and back: kombu's registry of serializers and compressions, behind a whitelist and limits.

Content types, encodings and the JSON dialect are kombu's (kombu/serialization.py, kombu/utils/json.py). JSON, which
nearly every message is, does not load kombu until a value needs its dialect.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from kernelq.exceptions import SoftTimeLimitExceeded
from kernelq.kernel.errors import ConfigurationError, KernelQError

if TYPE_CHECKING:
    from kernelq.kernel.discovery import Discovery

JSON = ("application/json", "utf-8")
MAX_DECOMPRESSED = 64 * 1024 * 1024


class ContentDisallowed(KernelQError):
    """The content type is not in the whitelist; not a byte of the content was interpreted."""


class DecodeError(KernelQError, ValueError):
    """The bytes are not what their content type says."""


class EncodeError(KernelQError, TypeError):
    """A value cannot be written by the serializer."""


def _dialect(value: Any) -> Any:
    """Return what kombu's JSON writes for a value that JSON has no word for."""
    from kombu.utils.json import JSONEncoder

    return JSONEncoder().default(value)


def _encoder() -> Callable[[Any], str]:
    make = getattr(json.encoder, "c_make_encoder", None)
    if make is None:
        return json.JSONEncoder(default=_dialect).encode
    # One C encoder for all calls: json.dumps(…, default=…) makes a new one each time, 2.5 µs instead of 0.6. The first
    # None is the memory of open containers, which threads must not share; without it, nesting too deep is the error.
    escape = json.encoder.encode_basestring_ascii
    encode = make(None, _dialect, escape, None, ": ", ", ", False, False, True)
    return lambda value: "".join(encode(value, 0))


to_json: Callable[[Any], str] = _encoder()
"""Return a value in kombu's JSON. Raises TypeError for what it cannot write, RecursionError where it has no end."""


def encode_json(value: Any) -> bytes:
    """Return a value in kombu's JSON, as bytes. Raises `EncodeError`."""
    try:
        return to_json(value).encode()
    except (TypeError, ValueError) as error:
        raise EncodeError(f"this cannot be written as JSON: {error}") from error
    except RecursionError:
        raise EncodeError("this cannot be written as JSON: it contains itself, or is nested too deep") from None


def decode_json(data: bytes | str) -> Any:
    """Return the value of kombu's JSON. Raises `DecodeError`."""
    try:
        text = data.decode() if isinstance(data, bytes) else data
        if "__type__" not in text:  # nothing of the dialect in it: no hook to call for each mapping
            return _plain(text)
        from kombu.utils.json import object_hook

        return json.loads(text, object_hook=object_hook)
    except RecursionError:
        raise DecodeError("malformed JSON: nested too deep") from None
    except SoftTimeLimitExceeded:  # it comes from outside, at any line; the text is not to blame
        raise
    except Exception as error:
        raise DecodeError(f"malformed JSON: {error}") from error


_scan: Callable[[str, int], tuple[Any, int]] = json.JSONDecoder().scan_once  # type: ignore[attr-defined]  # typeshed has it not


def _plain(text: str) -> Any:
    # As json.loads, whose own steps around the scanner cost more than a small body: 1.1 µs a call.
    try:
        value, end = _scan(text, 0)
    except StopIteration:  # white space first, or no JSON: it tells which
        return json.loads(text)
    return value if end == len(text) else json.loads(text)


def dumps(value: Any, serializer: str = "json", discovery: Discovery | None = None) -> tuple[str, str, bytes]:
    """Return (content type, content encoding, bytes) of `value`.

    Raises `EncodeError` where the serializer cannot write it, `ConfigurationError` where there is no such serializer.
    """
    if serializer == "json":
        return (*JSON, encode_json(value))
    registry = ensure(serializer, discovery)
    try:
        content_type, encoding, body = registry.dumps(value, serializer)
    except Exception as error:
        raise EncodeError(f"{serializer} cannot write this: {error}") from error
    return content_type, encoding, body.encode(encoding) if isinstance(body, str) else body


def loads(
    body: bytes,
    content_type: str,
    content_encoding: str = "utf-8",
    accept: Iterable[str] = ("json",),
    discovery: Discovery | None = None,
) -> Any:
    """Return the value of `body`.

    `accept` names the serializers or content types that may be decoded. Raises `ContentDisallowed` before a byte of
    any other is interpreted, and `DecodeError`.
    """
    if content_type == JSON[0] and ("json" in accept or content_type in accept):
        return decode_json(body)
    from kombu.serialization import registry

    names = list(accept)
    for name in names:
        if "/" not in name:
            ensure(name, discovery)
    allowed = {registry.name_to_type.get(name, name) for name in names}
    if content_type not in allowed:
        raise ContentDisallowed(
            f"{content_type} is not accepted here, only {', '.join(sorted(allowed))}; "
            f"if you trust its senders, add it to the setting accept_content"
        )
    try:
        return registry.loads(body, content_type, content_encoding, accept=allowed)
    except Exception as error:
        raise DecodeError(f"malformed {content_type}: {error}") from error


def ensure(serializer: str, discovery: Discovery | None = None) -> Any:
    """Return kombu's registry with `serializer` in it, loading its plugin where it is none of kombu's own."""
    from kombu.serialization import registry

    if serializer in registry.name_to_type:
        if serializer not in registry._encoders or serializer in ("yaml", "msgpack"):
            _probe(registry, serializer)
        return registry
    if discovery is None or serializer not in discovery.names("kernelq.serializers"):
        known = sorted({*registry.name_to_type, *(discovery.names("kernelq.serializers") if discovery else ())})
        raise ConfigurationError(f"there is no serializer {serializer!r}; there are {', '.join(known)}")
    plugin = discovery.load("kernelq.serializers", serializer, wanted_by="a serializer setting")
    registry.register(serializer, plugin.dumps, plugin.loads, plugin.content_type, plugin.content_encoding)
    return registry


def _probe(registry: Any, serializer: str) -> None:
    """Raise where kombu knows the name and lacks the library behind it."""
    try:
        registry.dumps([], serializer)
    except Exception as error:
        package = {"yaml": "pyyaml"}.get(serializer, serializer)
        raise ConfigurationError(
            f"the serializer {serializer!r} lacks its library ({error}); type: pip install {package}"
        ) from error


def compress(body: bytes, compression: str) -> tuple[bytes, str]:
    """Return the compressed bytes and the compression's mime type. Raises `ConfigurationError` for unknown names."""
    from kombu.compression import _aliases, compress, encoders

    try:
        packed, mime = compress(body, compression)
    except KeyError:
        known = sorted({*encoders(), *_aliases})
        raise ConfigurationError(f"there is no compression {compression!r}; there are {', '.join(known)}") from None
    return packed, mime


def decompress(body: bytes, compression: str, limit: int = MAX_DECOMPRESSED) -> bytes:
    """Return the bytes unpacked, `limit` at most. Raises `DecodeError` above that, and on malformed bytes."""
    from kombu.compression import get_decoder

    try:
        decode = get_decoder(compression)
    except KeyError:
        raise DecodeError(f"unknown compression {compression!r}") from None
    try:
        stream = _stream(compression)
        if stream is None:
            whole: bytes = decode(body)
            ended = True
        else:
            whole = stream.decompress(body, limit + 1)
            ended = bool(stream.eof)
    except Exception as error:
        raise DecodeError(f"malformed {compression}: {error}") from error
    if len(whole) > limit:
        raise DecodeError(f"the body unpacks to more than {limit} bytes (setting max_decompressed_bytes)")
    if not ended:
        raise DecodeError(f"malformed {compression}: it ends in the middle")
    return whole


def _stream(compression: str) -> Any:
    """Return a decompressor that can stop at a size, or None where the library has none."""
    if compression in ("application/x-gzip", "gzip", "zlib"):
        import zlib

        return zlib.decompressobj()
    if compression in ("application/x-bz2", "bzip2", "bzip"):
        import bz2

        return bz2.BZ2Decompressor()
    if compression in ("application/x-lzma", "lzma", "xz"):
        import lzma

        return lzma.LZMADecompressor()
    return None
