"""The settings of broker and result store on Redis, with Celery's names where it has one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import attrs

from kernelq.kernel.errors import ConfigurationError
from kernelq.kernel.settings import setting

if TYPE_CHECKING:
    from kernelq.kernel.settings import Settings

CONNECTION_TIMEOUT = 4.0
SHORTEST_LEASE = 1.0  # seconds
VISIBILITY_TIMEOUT = 3600.0
"""Seconds; kombu's default (kombu/transport/redis.py, ``Channel.visibility_timeout``)."""
SHORTEST_VISIBILITY = 3.0
"""Seconds; it is renewed three times in that."""


def _positive(value: float) -> str | None:
    return None if value > 0 else "it must be above 0"


@attrs.define(slots=False)
class RedisSettings:
    """Settings that this plugin adds."""

    redis_backend_use_ssl: bool | dict[str, Any] = setting(
        False,
        "whether the result store is reached by TLS; a dict: ssl_ca_certs, ssl_certfile, ssl_keyfile, ssl_cert_reqs, "
        "ssl_check_hostname",
        secret=True,
    )
    result_backend_transport_options: dict[str, Any] = setting(
        dict,
        "options of the result store on Redis: global_keyprefix before its keys; master_name and sentinel_kwargs, for "
        "sentinels",
        secret=True,
    )
    redis_socket_timeout: float = setting(
        4.0, "seconds within which the result store on Redis answers or counts as unreachable", check=_positive
    )
    redis_max_connections: int = setting(
        16, "connections that a process keeps at most to the broker, and as many to the result store", check=_positive
    )


def section(settings: Settings | None) -> RedisSettings:
    """Return the plugin's own settings."""
    declared = getattr(settings, "section", None)
    if declared is not None:
        own: RedisSettings = declared(RedisSettings)
        return own
    fields = [field.name for field in attrs.fields(RedisSettings)]
    return RedisSettings(**{name: getattr(settings, name) for name in fields if hasattr(settings, name)})


def option(settings: Settings | None, name: str, default: Any) -> Any:
    """Return the setting `name`, or `default` where it is not set or None."""
    value = getattr(settings, name, None)
    return default if value is None else value


def timeout(settings: Settings | None) -> float:
    """Return ``broker_connection_timeout``, in seconds."""
    return float(option(settings, "broker_connection_timeout", CONNECTION_TIMEOUT))


def options(settings: Settings | None, results: bool = False) -> Mapping[str, Any]:
    """Return ``broker_transport_options``, or with `results` ``result_backend_transport_options``."""
    if results:
        return section(settings).result_backend_transport_options
    found: Mapping[str, Any] = option(settings, "broker_transport_options", {})
    return found


def settings_lease(settings: Settings | None, default: float) -> float:
    """Return the ``lease`` of ``broker_transport_options`` in seconds, or `default`; raises ConfigurationError."""
    value = options(settings).get("lease", default)
    if isinstance(value, int | float) and value >= SHORTEST_LEASE:
        return float(value)
    raise ConfigurationError(
        f"broker_transport_options has lease={value!r}, and a lease lasts a number of seconds, {SHORTEST_LEASE:g} at "
        f'least: broker_transport_options={{"lease": {default:g}}}'
    )


def celery_rescues(settings: Settings | None) -> float | None:
    """Return the seconds after which Celery's workers rescue what a KernelQ worker had; None where they are not to.

    That is ``visibility_timeout``, where ``celery_rescues`` is on, both of ``broker_transport_options``. Raises
    ConfigurationError.
    """
    given = options(settings)
    rescues = given.get("celery_rescues", False)
    if not isinstance(rescues, bool):
        raise ConfigurationError(
            f"broker_transport_options has celery_rescues={rescues!r}, and it is True, so that Celery's workers rescue "
            'the tasks of dead KernelQ workers, or False: broker_transport_options={"celery_rescues": True}'
        )
    if not rescues:
        return None
    seconds = given.get("visibility_timeout", VISIBILITY_TIMEOUT)
    if isinstance(seconds, int | float) and not isinstance(seconds, bool) and seconds >= SHORTEST_VISIBILITY:
        return float(seconds)
    raise ConfigurationError(
        f"broker_transport_options has celery_rescues with visibility_timeout={seconds!r}, and that is the number of "
        f"seconds, {SHORTEST_VISIBILITY:g} at least, after which Celery's workers rescue a task: set what they have, "
        'broker_transport_options={"celery_rescues": True, "visibility_timeout": %d}' % VISIBILITY_TIMEOUT
    )


def use_ssl(settings: Settings | None, results: bool = False) -> Any:
    """Return ``broker_use_ssl``, or with `results` ``redis_backend_use_ssl``: a bool or a dict."""
    return section(settings).redis_backend_use_ssl if results else option(settings, "broker_use_ssl", False)
