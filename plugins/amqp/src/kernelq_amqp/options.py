"""The settings of RabbitMQ, with Celery's names where it has one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import attrs

from kernelq.kernel.settings import setting

if TYPE_CHECKING:
    from kernelq.kernel.settings import Settings


def _positive(value: float | None) -> str | None:
    return None if value is None or value > 0 else "it must be above 0"


def _heartbeat(value: float) -> str | None:
    return None if value == 0 or value >= 1 else "it must be 0 or at least 1: RabbitMQ counts whole seconds"


def _priority(value: int | None) -> str | None:
    return None if value is None or 1 <= value <= 255 else "RabbitMQ takes 1 to 255"


@attrs.define(slots=False)
class AmqpSettings:
    """Settings that this plugin adds."""

    broker_heartbeat: float = setting(
        7.0,  # RabbitMQ looks once in each, and at the third look gives up: so within 25 s all is elsewhere
        "seconds between heartbeats of RabbitMQ connections; a worker takes a silent one for lost after two, RabbitMQ "
        "after two to three; 0: none",
        check=_heartbeat,
    )
    broker_login_method: str | None = setting(
        None, 'how to log in to RabbitMQ: "PLAIN", "AMQPLAIN", or "EXTERNAL" for client certificates; None: by password'
    )
    task_queue_max_priority: int | None = setting(
        None, "x-max-priority of new RabbitMQ queues; without it they know no priorities", check=_priority
    )
    task_default_queue_type: Literal["classic", "quorum"] = setting(
        "classic", "type of the default queue, where it is new in RabbitMQ"
    )
    task_create_missing_queue_type: Literal["classic", "quorum"] | None = setting(
        None, "type of queues that task_queues does not name, where they are new; None: as task_default_queue_type"
    )
    task_queue_delivery_limit: int | None = setting(
        None,
        "x-delivery-limit of new quorum queues: after so many returns RabbitMQ itself moves a message to <queue>.dlq",
        check=_positive,
    )
    broker_native_delayed_delivery_queue_type: Literal["classic", "quorum"] = setting(
        "quorum", "type of the queues in which RabbitMQ keeps delayed messages, where they are new"
    )
    result_persistent: bool = setting(False, "whether rpc results are written down by RabbitMQ")


OWN = frozenset(field.name for field in attrs.fields(AmqpSettings))
_DEFAULTS = AmqpSettings()


def option(settings: Settings | None, name: str, default: Any = None) -> Any:
    """Return the setting `name`, this plugin's or any other; `default` where it is None, or there is none."""
    holder: Any = settings
    if name in OWN:
        default = getattr(_DEFAULTS, name) if default is None else default
        section = getattr(settings, "section", None)
        holder = settings if section is None else section(AmqpSettings)
    value = getattr(holder, name, None)
    return default if value is None else value
