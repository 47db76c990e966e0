"""Which Redis a URL means, and how to reach it."""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote

import attrs

from kernelq.kernel.errors import ConfigurationError, did_you_mean

if TYPE_CHECKING:
    from kernelq.kernel.settings import Settings

PORT = 6379
SENTINEL_PORT = 26379
TLS = ("ssl_cert_reqs", "ssl_ca_certs", "ssl_ca_path", "ssl_ca_data", "ssl_certfile", "ssl_keyfile", "ssl_password",
       "ssl_check_hostname", "ssl_ciphers", "ssl_min_version")  # fmt: skip
"""What may stand in ``broker_use_ssl`` and in a URL's query: the arguments of redis-py's SSLConnection."""

_OURS = frozenset(
    {
        "client_name", "decode_responses", "health_check_interval", "max_connections", "protocol",
        "retry_on_timeout", "socket_connect_timeout", "socket_keepalive", "socket_timeout", "timeout",
    }
)  # fmt: skip
"""What redis-py takes in a query and KernelQ rules itself; read over."""

_AUTHORITY = re.compile(r"(?:(?P<login>.*)@)?(?P<host>\[[^\]]*\]|[^:@\[\]]*)(?::(?P<port>\d*))?", re.DOTALL)
_CERT_REQS = {"none": ssl.CERT_NONE, "optional": ssl.CERT_OPTIONAL, "required": ssl.CERT_REQUIRED}
_NO_CLUSTER = (
    "Redis Cluster is not served: the priorities of a queue are lists whose names hash to different nodes, as Celery "
    "writes them, and one atomic step cannot span nodes; use one Redis, with replicas and Sentinel "
    "(sentinel://…) where it must not be a single point of failure, or RabbitMQ"
)


@attrs.frozen
class Location:
    """One Redis database. Two are equal where a transaction can span both. Its repr shows no password."""

    nodes: tuple[tuple[str, int], ...] = ()
    """Host and port of the server, or of its sentinels; none where it is reached by `path`."""
    path: str = ""
    """The Unix socket."""
    db: int = 0
    username: str | None = None
    password: str | None = attrs.field(default=None, repr=False)
    master: str = ""
    """The name that the sentinels know the server by; empty without sentinels."""
    tls: Mapping[str, Any] | None = attrs.field(default=None, eq=False, repr=False)
    """Arguments of an SSL connection; None: no TLS."""
    sentinel_options: Mapping[str, Any] = attrs.field(factory=dict, eq=False, repr=False)
    """Arguments of the connections to sentinels, a password among them."""

    def safe_url(self) -> str:
        """Return the URL, with the password replaced by ``**``."""
        login = "" if self.password is None and not self.username else self.username or ""
        if self.password is not None:
            login += ":**"
        login += "@" if login else ""
        if self.path:
            return f"redis+socket://{login}{self.path}?virtual_host={self.db}"
        scheme = "sentinel" if self.master else "redis" if self.tls is None else "rediss"
        hosts = [f"{scheme}://{login if not number else ''}{_shown(node)}" for number, node in enumerate(self.nodes)]
        return f"{';'.join(hosts)}/{self.db}"


def locate(url: str, settings: Settings | None = None, *, results: bool = False) -> Location:
    """Return the location that a URL of ``broker_url`` names, or with `results` of ``result_backend``.

    ``redis://``, ``rediss://``, ``sentinel://a;sentinel://b``, ``redis+socket:///path`` and ``unix:///path``. TLS comes
    from the query (``ssl_cert_reqs=…``) over ``broker_use_ssl`` or ``redis_backend_use_ssl``; the sentinels' master
    from ``master_name`` in ``broker_transport_options`` or ``result_backend_transport_options``, as with Celery.
    Raises `kernelq.kernel.errors.ConfigurationError`, which shows no password.
    """
    from kernelq_redis.settings import options, use_ssl

    setting = "result_backend" if results else "broker_url"
    scheme = url.partition("://")[0].lower()
    if "cluster" in scheme:
        raise ConfigurationError(f"{setting}: {_NO_CLUSTER}")
    if scheme not in ("redis", "rediss", "sentinel", "rediss+sentinel", "redis+socket", "unix") or "://" not in url:
        raise ConfigurationError(
            f"{setting}: {scheme}:// is no Redis; write redis://host:6379/0, rediss:// for TLS, "
            "sentinel://a:26379;sentinel://b:26379/0, or redis+socket:///path?virtual_host=0"
        )
    login, nodes, rest, query = _parts(url, setting)
    secure = {key: query.pop(key) for key in list(query) if key.startswith("ssl_")}
    given = use_ssl(settings, results)
    tls = tls_options({**(given if isinstance(given, Mapping) else {}), **secure}, setting)
    wanted = scheme.startswith("rediss") or bool(given) or bool(secure)
    extra = options(settings, results)
    master = query.pop("master_name", None) or extra.get("master_name") or ""
    path = rest if scheme in ("redis+socket", "unix") else ""
    db = query.pop("virtual_host", None) or query.pop("db", None) or ("" if path else rest)
    _nothing_else(query, setting)
    if path == "/" or (not path and scheme in ("redis+socket", "unix")):
        raise ConfigurationError(f"{setting}: name the socket's file, as redis+socket:///run/redis.sock?virtual_host=0")
    if "sentinel" in scheme and not master:
        named = "result_backend_transport_options" if results else "broker_transport_options"
        raise ConfigurationError(
            f'{setting}: sentinels serve a master by its name: set {named} = {{"master_name": "mymaster"}}'
        )
    return Location(
        nodes=() if path else tuple((host or "localhost", port) for host, port in nodes),
        path=path,
        db=_number(db.strip("/") or "0", setting),
        username=login[0],
        password=login[1],
        master=master if "sentinel" in scheme else "",
        tls=tls if wanted and not path else None,
        sentinel_options=dict(extra.get("sentinel_kwargs") or {}),
    )


def _parts(url: str, setting: str) -> tuple[tuple[str | None, str | None], list[tuple[str, int]], str, dict[str, str]]:
    """Return user and password, the nodes, what follows the last of them, and its query."""
    login: tuple[str | None, str | None] = (None, None)
    nodes: list[tuple[str, int]] = []
    rest = ""
    query: dict[str, str] = {}
    for one in url.split(";"):
        after = one.strip().rpartition("://")[2]
        after, _, asked = after.partition("?")
        # A password may hold a slash: what follows the last @ is the host.
        before, at, tail = after.rpartition("@")
        host, slash, path = tail.partition("/")
        found = _AUTHORITY.fullmatch(before + at + host)
        if found is None or ((found["port"] or "0") > "65535" and len(found["port"]) > 4):
            raise ConfigurationError(f"{setting}: the URL is none; write redis://[user:password@]host[:port]/db")
        if found["login"] and login == (None, None):
            user, colon, password = found["login"].partition(":")
            login = unquote(user) or None, unquote(password) if colon else None
        usual = SENTINEL_PORT if "sentinel" in url.partition(":")[0] else PORT
        nodes.append((unquote(found["host"]).strip("[]"), int(found["port"] or usual)))
        rest, query = slash + unquote(path) or rest, {**query, **dict(parse_qsl(asked, keep_blank_values=True))}
    return login, nodes, rest, query


def tls_options(given: Mapping[str, Any], setting: str) -> dict[str, Any]:
    """Return the arguments of an SSL connection: server and name are verified unless the settings say otherwise."""
    unknown = sorted(set(given) - set(TLS))
    if unknown:
        raise ConfigurationError(
            f"{setting}: there is no TLS option {unknown[0]!r}.{did_you_mean(unknown[0], TLS)} Known: {', '.join(TLS)}"
        )
    wanted = given.get("ssl_cert_reqs", ssl.CERT_REQUIRED)
    if isinstance(wanted, str):
        if wanted.lower().removeprefix("cert_") not in _CERT_REQS:
            raise ConfigurationError(f"{setting}: ssl_cert_reqs is required, optional or none, not {wanted!r}")
        wanted = _CERT_REQS[wanted.lower().removeprefix("cert_")]
    check = given.get("ssl_check_hostname", wanted == ssl.CERT_REQUIRED)
    if isinstance(check, str):
        check = check.lower() in ("1", "true", "yes", "on")
    return {
        "ssl_min_version": ssl.TLSVersion.TLSv1_2,
        **given,
        "ssl_cert_reqs": "none" if wanted is None else _name(wanted),
        "ssl_check_hostname": bool(check) and wanted != ssl.CERT_NONE,
    }


def _name(wanted: Any) -> str:
    return {value: name for name, value in _CERT_REQS.items()}[ssl.VerifyMode(wanted)]


def _nothing_else(query: Mapping[str, str], setting: str) -> None:
    unknown = sorted(set(query) - _OURS)
    if unknown:
        known = {*TLS, "virtual_host", "db", "master_name"}
        raise ConfigurationError(f"{setting}: the URL's query has {unknown[0]!r}.{did_you_mean(unknown[0], known)}")


def _number(db: str, setting: str) -> int:
    if not (db.isascii() and db.isdigit() and len(db) < 6):
        raise ConfigurationError(f"{setting}: a database of Redis is a number, as redis://host:6379/0, not {db[:20]!r}")
    return int(db)


def _shown(node: tuple[str, int]) -> str:
    host, port = node
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
