"""The settings of an app, with Celery's names; the defaults differ where KernelQ promises more."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import attrs

from kernelq.kernel.settings import Settings, setting, shown

PUBLISH_RETRY_POLICY = {"max_retries": 3, "interval_start": 0, "interval_max": 1, "interval_step": 0.2}
LOG_FORMAT = "[%(asctime)s: %(levelname)s/%(processName)s] %(message)s"
TASK_LOG_FORMAT = "[%(asctime)s: %(levelname)s/%(processName)s] %(task_name)s[%(task_id)s]: %(message)s"


def _positive(value: float) -> str | None:
    return None if value > 0 else "it must be above 0"


def _not_negative(value: float) -> str | None:
    return None if value >= 0 else "it must not be below 0"


def _priority(value: int) -> str | None:
    return None if 0 <= value <= 9 else "it must be from 0 to 9"


def _concurrency(value: int | str) -> str | None:
    if value == "auto" or (not isinstance(value, str) and value > 0):
        return None
    return 'it must be a number above 0, or "auto"'


@attrs.define(slots=False, kw_only=True, eq=False, repr=False, on_setattr=attrs.setters.NO_OP)
class Conf(Settings):
    """The settings of an app. `explain` tells of each what it means and where its value came from.

    Setting a name that does not exist raises `kernelq.kernel.errors.UnknownSetting`, a value of the wrong type
    `kernelq.kernel.errors.BadSetting`.
    """

    # The broker
    broker_url: str | list[str] | tuple[str, ...] = setting(
        "sqlite:///kernelq.db",
        'URL of the broker; its scheme names the transport. A list of them, or "a;b": where the first is lost, the '
        "next takes its place",
        secret=True,
    )
    broker_read_url: str | list[str] | tuple[str, ...] | None = setting(
        None, "brokers that workers consume from, and where control commands go; None: broker_url", secret=True
    )
    broker_write_url: str | list[str] | tuple[str, ...] | None = setting(
        None, "brokers that messages are sent to; None: broker_url", secret=True
    )
    broker_failover_strategy: str | Callable[..., Any] | None = setting(
        None,
        "in which order lost brokers are replaced: round-robin (None: this), shuffle, or a function (or its path) that "
        "takes the list of URLs and yields the one to try next",
    )
    broker_connection_timeout: float = setting(
        4.0, "seconds within which a send either reaches the broker or raises", check=_positive
    )
    broker_connection_retry: bool = setting(True, "whether a worker that lost its broker connects again")
    broker_connection_max_retries: int | None = setting(
        None, "how often a worker tries to connect again before it gives up; None: for ever", check=_not_negative
    )
    broker_use_ssl: bool | dict[str, Any] = setting(
        False,
        "whether the broker is spoken to over TLS; a dict names ca_certs, certfile, keyfile, cert_reqs and what else "
        "the transport documents",
    )
    broker_transport_options: dict[str, Any] = setting(dict, "options of the transport, as its plugin documents them")

    # Results
    result_backend: str | None = setting(
        "sqlite:///kernelq.db",
        'URL of the result store; its scheme names the backend; None or "disabled://": results are not kept',
        secret=True,
    )
    result_serializer: str = setting("json", "serializer of results")
    result_compression: str | None = setting(None, "compression of results: gzip, bzip2, lzma, zstd; None: none")
    result_accept_content: list[str] | tuple[str, ...] | None = setting(
        None, "serializers that results are read with; None: as accept_content"
    )
    result_expires: float | None = setting(
        86400.0, "seconds that a result is kept; None: for ever", check=_not_negative
    )
    result_extended: bool = setting(False, "whether a result also keeps name, arguments, worker, retries and queue")
    result_backend_max_retries: int = setting(
        3, "how often storing a result is tried again before its delivery is returned", check=_not_negative
    )

    # What messages are made of
    accept_content: list[str] | tuple[str, ...] = setting(
        ("json",), "serializers, or content types, that may be decoded; others are refused undecoded"
    )
    task_serializer: str = setting("json", "serializer of task messages")
    task_compression: str | None = setting(None, "compression of task messages: gzip, bzip2, lzma, zstd; None: none")
    task_repr_maxlevels: int = setting(3, "levels of nesting that the shown form of the arguments has")
    max_message_bytes: int = setting(
        16 * 1024 * 1024, "bytes that a task message's body may have at most; the sender raises above", check=_positive
    )
    max_decompressed_bytes: int = setting(
        64 * 1024 * 1024, "bytes that a compressed body may unpack to at most", check=_positive
    )

    # Where messages go
    task_default_queue: str = setting("celery", "queue of tasks that nothing routes elsewhere")
    task_default_exchange: str | None = setting(None, "exchange of the default queue; None: its name is the queue's")
    task_default_exchange_type: str = setting("direct", "type of that exchange: direct, topic, fanout")
    task_default_routing_key: str | None = setting(None, "routing key of the default queue; None: the queue's name")
    task_default_delivery_mode: int | str = setting(2, '2 or "persistent": brokers write it down; 1 or "transient"')
    task_default_priority: int | None = setting(
        None, "priority of tasks that give none, 0 to 9, 9 the most urgent; None: 0", check=_priority
    )
    task_inherit_parent_priority: bool = setting(
        False, "whether a task sent by a task takes its priority, where it has none itself"
    )
    task_queues: Mapping[str, Any] | list[Any] | tuple[Any, ...] | None = setting(
        None,
        "queues by name, each a dict with exchange, exchange_type and routing_key; or a list of names, or of kombu "
        "queues; None: the default queue only",
    )
    task_routes: Mapping[Any, Any] | list[Any] | tuple[Any, ...] | Callable[..., Any] | None = setting(
        None,
        "where tasks go: a dict of name, glob or compiled regex to a queue's name or to a dict of options; a function "
        "(name, args, kwargs, options, task) that returns such or None; or a list of both, first match wins",
    )
    task_create_missing_queues: bool = setting(
        True, "whether queues that task_queues does not name may be used; otherwise sending to one raises"
    )

    # Sending
    task_publish_retry: bool = setting(True, "whether a failed publish is tried again within the connection timeout")
    task_publish_retry_policy: dict[str, Any] = setting(
        attrs.Factory(lambda: dict(PUBLISH_RETRY_POLICY)),
        "max_retries (None: as many as the connection timeout allows), and interval_start, interval_step, interval_max "
        "in seconds",
    )
    task_always_eager: bool = setting(False, "whether sending runs the task at once, in this process")
    task_eager_propagates: bool = setting(False, "whether a task that runs so raises its error to the sender")
    task_store_eager_result: bool = setting(False, "whether its result is stored")

    # How tasks run
    task_acks_late: bool = setting(
        True, "whether a delivery is acknowledged after the task has run; False: before, at most once"
    )
    task_reject_on_worker_lost: bool | None = setting(
        None, "whether a task whose host died is delivered again; None: as task_acks_late"
    )
    task_max_deliveries: int = setting(
        3, "how many hosts a task may take down with it before it is buried", check=_positive
    )
    task_unknown_ttl: float = setting(
        3600.0,
        "seconds that a message whose task nobody knows is kept in its queue before it is buried",
        check=_not_negative,
    )
    task_track_started: bool = setting(False, "whether the state STARTED is stored when a task starts")
    task_ignore_result: bool = setting(False, "whether results are dropped, where the task does not say")
    task_store_errors_even_if_ignored: bool = setting(False, "whether failures are stored even then")
    task_time_limit: float | None = setting(
        None, "seconds after which a running task is killed", check=_positive, option="--time-limit=SECONDS"
    )
    task_soft_time_limit: float | None = setting(
        None,
        "seconds after which SoftTimeLimitExceeded is raised in a running task",
        check=_positive,
        option="--soft-time-limit=SECONDS",
    )
    task_default_rate_limit: str | None = setting(None, 'rate of each task type in one worker: "10/s", "10/m", "10/h"')

    # The application
    imports: list[str] | tuple[str, ...] = setting((), "modules that a worker imports when it starts")
    include: list[str] | tuple[str, ...] = setting((), "as imports; given by the app's `include=`")
    timezone: str | None = setting(None, 'time zone of times without one, as "Europe/Berlin"; None: UTC')
    enable_utc: bool = setting(True, "whether times are in UTC where timezone is None; False: in the local zone")

    # The worker
    worker_concurrency: int | str | None = setting(
        None,
        'how many tasks run at a time; None or "auto": what is usual for the pool, else the number of cores',
        check=_concurrency,
        option="-c/--concurrency=N",
    )
    worker_pool: str = setting(
        "auto", "pool plugin; auto: prefork where it is installed, else threads", option="-P/--pool=NAME"
    )
    worker_max_tasks_per_child: int | None = setting(
        None,
        "how many tasks a host runs before it is replaced; None: no limit",
        check=_positive,
        option="--max-tasks-per-child=N",
    )
    worker_max_memory_per_child: int | None = setting(
        None,
        "KiB of resident memory above which a host is replaced; None: no limit",
        check=_positive,
        option="--max-memory-per-child=KIB",
    )
    worker_prefetch_multiplier: int = setting(
        4,
        'how many tasks a slot is given at a time where worker_optimization is "default", 64 at most; 0: 64',
        check=_not_negative,
        option="--prefetch-multiplier=N",
    )
    worker_shutdown_timeout: float | None = setting(
        None,
        "seconds a warm shutdown waits for running tasks before it becomes a cold one; None: for ever",
        check=_not_negative,
    )
    worker_enable_remote_control: bool = setting(True, "whether the worker answers control commands")
    worker_log_format: str = setting(LOG_FORMAT, "format of the worker's log lines")
    worker_task_log_format: str = setting(TASK_LOG_FORMAT, "format of log lines written by tasks")
    worker_hijack_root_logger: bool = setting(False, "whether the worker replaces the root logger's handlers")

    # Remote control
    control_exchange: str = setting("celery", "first part of the names of the control exchange and its queues")
    control_queue_ttl: float = setting(300.0, "seconds that a control command waits unread", check=_positive)
    control_queue_expires: float = setting(10.0, "seconds that an unused control queue lives", check=_positive)
    control_queue_exclusive: bool = setting(False, "whether control queues are exclusive")
    task_revoke_expires: float | None = setting(
        604800.0,
        "seconds that the broker or the result store keeps a revoke for workers that are down; None: for ever",
        check=_positive,
    )
    control_queue_durable: bool = setting(False, "whether control queues survive a restart of the broker")

    # Events
    task_send_sent_event: bool = setting(False, "whether sending a task also sends the event task-sent")
    event_exchange: str = setting("celeryev", "name of the exchange that events go through")
    event_serializer: str = setting("json", "serializer of events")
    event_queue_prefix: str = setting("celeryev", "first part of the names of the queues of those who watch")
    event_queue_ttl: float = setting(5.0, "seconds that an event waits unread", check=_positive)
    event_queue_expires: float = setting(60.0, "seconds that an unused event queue lives", check=_positive)
    event_queue_exclusive: bool = setting(True, "whether event queues are exclusive")
    event_queue_durable: bool = setting(False, "whether event queues survive a restart of the broker")

    version: ClassVar[int] = 0
    """How often settings were changed; what was computed from them before is stale."""

    def __attrs_post_init__(self) -> None:
        self.__dict__["version"] = 0
        super().__attrs_post_init__()

    def update(self, values: Mapping[str, Any] | None = None, source: str = "code", **named: Any) -> None:
        """Set several settings, by mapping or by keyword; either all are set or none.

        Raises `kernelq.kernel.errors.UnknownSetting` with a suggestion, `kernelq.kernel.errors.BadSetting`.
        """
        super().update({**(values or {}), **named}, source)
        self.__dict__["version"] += 1  # what was computed from the old values is computed anew

    def options(self) -> list[tuple[Any, attrs.Attribute[Any]]]:
        """Return the settings that `kernelq worker` takes as an option, each with the section that holds its value."""
        return [(holder, field) for holder, field in self._fields() if field.metadata["option"]]

    def explain(self, name: str) -> str:
        """Return the value, source, default, type and documentation of `name`, one a line. Raises `UnknownSetting`."""
        holder, field = self._declared(name, "explain")
        lines = (
            f"{name} = {shown(field, getattr(holder, name))}",
            f"  from: {self.source(name)}",
            f"  default: {shown(field, default_of(field))}",
            f"  type: {field.type}",
            f"  {field.metadata['doc']}",
        )
        return "\n".join(lines)


def default_of(field: attrs.Attribute[Any]) -> Any:
    """Return a setting's default; a factory is called."""
    factory = getattr(field.default, "factory", None)
    return factory() if callable(factory) else field.default
