"""Opening connections: with a deadline, watched by the kernel, to the master where sentinels are asked.

redis-py could do it, but takes 100 ms to import and 15 MB, in every sender and host.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import hiredis

from kernelq.kernel.errors import ConfigurationError, Unreachable
from kernelq_redis.location import TLS, Location, tls_options

if TYPE_CHECKING:
    from kernelq_redis.wire import Command

ERRORS = (OSError, hiredis.HiredisError)
"""What comes up where the server does not answer, or refuses."""

_KEEPALIVE = {"TCP_KEEPIDLE": 10, "TCP_KEEPINTVL": 3, "TCP_KEEPCNT": 3}  # seconds, seconds, probes
_CHUNK = 65536


def dial(location: Location, timeout: float, name: str = "kernelq") -> socket.socket:
    """Return a new connection that stands: logged in, its database chosen. `timeout`, in seconds, bounds all of it.

    It speaks RESP2; each later read or write is bounded by `timeout`. `name` is shown by ``CLIENT LIST``. Raises one of
    `ERRORS`; `kernelq.kernel.errors.ConfigurationError` where the files of TLS cannot be read.
    """
    ends = time.monotonic() + timeout
    at = location if not location.master else _master(location, timeout / 2)
    sock = _connect(at, ends, timeout)
    try:
        _greet(sock, at, name, ends)
        if location.master:
            _check_role(sock, ends)
        sock.settimeout(timeout)
    except BaseException:
        sock.close()
        raise
    return sock


def _connect(location: Location, ends: float, timeout: float) -> socket.socket:
    if location.path:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.settimeout(_left(ends))
            sock.connect(location.path)
        except BaseException:
            sock.close()
            raise
        return sock
    context = None if location.tls is None else _context(location.tls)
    ((host, port),) = location.nodes
    sock = socket.create_connection((host, port), _left(ends))
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in {**_KEEPALIVE, "TCP_USER_TIMEOUT": int(timeout * 1000)}.items():
            if hasattr(socket, option):
                sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
        if context is None:
            return sock
        sock.settimeout(_left(ends))
        return context.wrap_socket(sock, server_hostname=host)
    except BaseException:
        sock.close()
        raise


def _context(options: dict[str, Any] | Any) -> ssl.SSLContext:
    given = {name.removeprefix("ssl_"): value for name, value in options.items()}
    try:
        context = ssl.create_default_context(
            cafile=given.get("ca_certs"), capath=given.get("ca_path"), cadata=given.get("ca_data")
        )
        context.minimum_version = given["min_version"]
        context.check_hostname = given["check_hostname"]
        context.verify_mode = ssl.VerifyMode[f"CERT_{given['cert_reqs'].upper()}"]
        if given.get("ciphers"):
            context.set_ciphers(given["ciphers"])
        if given.get("certfile"):
            context.load_cert_chain(given["certfile"], given.get("keyfile"), given.get("password"))
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"the TLS options for Redis ({', '.join(TLS)}) cannot be used: {error}") from error
    return context


def _greet(sock: socket.socket, location: Location, name: str, ends: float) -> None:
    commands: list[Command] = []
    if location.password is not None:
        commands.append(("AUTH", *([location.username] if location.username else []), location.password))
    if location.db:
        commands.append(("SELECT", location.db))
    replies = _ask(sock, [*commands, ("CLIENT", "SETNAME", name), ("PING",)], ends)
    del replies[-2]  # an ACL may refuse the name, which only helps people
    for reply in replies:
        if isinstance(reply, Exception):
            raise reply


def _check_role(sock: socket.socket, ends: float) -> None:
    """Raise ConnectionError where the sentinels sent us to a server that has become a replica."""
    (role,) = _ask(sock, [("ROLE",)], ends)
    if isinstance(role, list) and role[0] != b"master":
        raise ConnectionError("the sentinels name a server that is a replica now")


def _ask(sock: socket.socket, commands: Sequence[Command], ends: float) -> list[Any]:
    """Send commands and return their replies, refusals among them, by `ends`."""
    sock.settimeout(_left(ends))
    sock.sendall(b"".join(hiredis.pack_command(command) for command in commands))  # type: ignore[arg-type]  # its stub
    reader = hiredis.Reader()
    replies: list[Any] = []
    while len(replies) < len(commands):
        reply = reader.gets()
        if reply is not False:
            replies.append(reply)
            continue
        sock.settimeout(_left(ends))
        received = sock.recv(_CHUNK)
        if not received:
            raise ConnectionError("the server closed the connection")
        reader.feed(received)
    return replies


def _master(location: Location, timeout: float) -> Location:
    """Ask the sentinels, one after the other, each for its share of `timeout`, where the master is."""
    share = timeout / len(location.nodes)
    options = dict(location.sentinel_options)
    secure = {key: value for key, value in options.items() if key.startswith("ssl_")}
    tls = tls_options(secure, "sentinel_kwargs") if options.get("ssl") or secure else None
    problems = []
    for node in location.nodes:
        sentinel = Location((node,), username=options.get("username"), password=options.get("password"), tls=tls)
        ends = time.monotonic() + share
        try:
            with _connect(sentinel, ends, share) as sock:
                _greet(sock, sentinel, "kernelq", ends)
                (found,) = _ask(sock, [("SENTINEL", "GET-MASTER-ADDR-BY-NAME", location.master)], ends)
        except ERRORS as error:
            problems.append(f"{node[0]}:{node[1]}: {error}")
            continue
        if isinstance(found, list):
            at = ((found[0].decode(), int(found[1])),)
            return Location(at, "", location.db, location.username, location.password, tls=location.tls)
        problems.append(f"{node[0]}:{node[1]}: it knows no master named {location.master!r}")
    raise ConnectionError("no sentinel tells where the master is; " + "; ".join(problems))


def _left(ends: float) -> float:
    left = ends - time.monotonic()
    if left <= 0:
        raise TimeoutError("timed out")
    return left


def unreachable(kind: type[Unreachable], location: Location, error: BaseException) -> Unreachable:
    """Return the error that tells what went wrong, without the password."""
    detail = str(error) or type(error).__name__
    if location.password:
        detail = detail.replace(location.password, "**")
    return kind(f"Redis at {location.safe_url()} cannot be used: {detail}{advice(detail)}")


def advice(detail: str) -> str:
    """Return what to do about an error that Redis answered with, for those that people meet."""
    for sign, words in _ADVICE.items():
        if sign in detail:
            return f"; {words}"
    return ""


_ADVICE = {
    "OOM": "its memory is full (maxmemory): nothing was stored; give it more, or let workers drain the queues",
    "command not allowed when used memory": "its memory is full (maxmemory): nothing was stored; give it more, or let "
    "workers drain the queues",
    "MISCONF": "it cannot write its snapshots, so it takes no writes: look at its disk and its log",
    "NOAUTH": "write the password into the URL: redis://user:password@host:6379/0",
    "WRONGPASS": "the user name or password in the URL is wrong",
    "invalid username-password": "the user name or password in the URL is wrong",
    "MOVED": "it is a node of a Redis Cluster, which KernelQ does not serve: use one Redis, with Sentinel",
    "CROSSSLOT": "it is a node of a Redis Cluster, which KernelQ does not serve: use one Redis, with Sentinel",
    "CERTIFICATE_VERIFY_FAILED": "give the authority that signed its certificate: broker_use_ssl or "
    'redis_backend_use_ssl = {"ssl_ca_certs": "/path/ca.pem"}',
}
