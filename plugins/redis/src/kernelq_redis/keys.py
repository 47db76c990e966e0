"""The names of all keys: kombu's, so that Celery uses the same queues, and our own beside them.

Every key of a queue is of its hash slot: ``{celery}`` hashes as kombu's plain key ``celery`` does. kombu's lists of the
other priority steps do not, which is why a cluster is no broker.
"""

from __future__ import annotations

import json

from kernelq_redis import consumer_id

SEPARATOR = "\x06\x16"
"""Between the parts of kombu's names (kombu/transport/redis.py, ``Channel.sep``)."""
STEPS = (0, 3, 6, 9)
"""kombu's ``priority_steps``; 0 is the most urgent, and its list is the queue's plain name."""
URGENT = 9
"""The most urgent priority in KernelQ's sense."""
DEFAULT_STEP = 9
"""The step of KernelQ's priority 0, which messages have unless told otherwise."""
LANDING = (0, DEFAULT_STEP)
"""The steps that an idle consumer waits for by a blocking move: Celery's default, and ours."""


def step_of(number: int) -> int:
    """Return the step of a priority in Redis' sense, 0 the most urgent: clamped, then rounded down, as kombu does."""
    return min(max(number, 0), URGENT) // 3 * 3


def redis_priority(priority: int) -> int:
    """Return the priority that the envelope carries, 0 the most urgent, for one in KernelQ's sense, 9 the most urgent.

    It is its own inverse.
    """
    return URGENT - min(max(priority, 0), URGENT)


class Keys:
    """Makes key names, each with kombu's ``global_keyprefix`` before it."""

    def __init__(self, prefix: str = "", held: str = "unacked", index: str = "unacked_index") -> None:
        self.prefix = prefix
        self._rescues = [f"{prefix}{held}", f"{prefix}{index}"]

    # -- kombu's

    def ready(self, queue: str, step: int = 0) -> str:
        """LIST of what is ready at a step: senders LPUSH, consumers take from the right."""
        return f"{self.prefix}{queue}{SEPARATOR}{step}" if step else f"{self.prefix}{queue}"

    def lists(self, queue: str) -> list[str]:
        """Return the lists of all steps, the most urgent first."""
        return [self.ready(queue, step) for step in STEPS]

    def binding(self, exchange: str) -> str:
        """SET of the bindings of an exchange, see `binding_member`."""
        return f"{self.prefix}_kombu.binding.{exchange}"

    def dead(self, queue: str) -> str:
        """LIST of what was buried, the newest at the left; each entry is the message as it was."""
        return f"{self.prefix}{queue}.dlq"

    def rescues(self, consumer: str) -> list[str]:
        """Return what scripts about the flights of `consumer` take last; nothing where Celery is not to rescue them.

        HASH ``<consumer>:<tag>`` → JSON ``[message, "", queue]``, and ZSET of the same with when they were taken, or
        renewed (kombu/transport/redis.py, ``QoS.append``). kombu's fields are delivery tags, which two queues of one
        exchange have in common; nobody looks into them, so ours are our own.
        """
        return self._rescues if consumer_id.is_rescued(consumer) else []

    # -- ours, of one queue

    def reasons(self, queue: str) -> str:
        """HASH `fingerprint` → ``<epoch seconds>\\n<deliveries>\\n<reason>`` of what is in the dead set."""
        return f"{self.prefix}kq:dl:{{{queue}}}"

    def counts(self, queue: str) -> str:
        """HASH `fingerprint` → how many owners that counted have lost the message. Only of those that were lost.

        Those end in a space, in every list, which JSON ignores: only for them is there something to look up.
        """
        return f"{self.prefix}kq:rd:{{{queue}}}"

    def delayed(self, queue: str) -> str:
        """ZSET of `delayed_member` with the time it is due, in seconds since the epoch."""
        return f"{self.prefix}kq:z:{{{queue}}}"

    def bodies(self, queue: str) -> str:
        """HASH `delayed_member` → message."""
        return f"{self.prefix}kq:zb:{{{queue}}}"

    def alive(self, queue: str) -> str:
        """HASH consumer → server's epoch seconds of its last renewal; after a ``d``, of the time it was found dead."""
        return f"{self.prefix}kq:alive:{{{queue}}}"

    def unique(self, queue: str, key: str) -> str:
        """STRING: marks a publication or a unique task."""
        return f"{self.prefix}kq:uq:{{{queue}}}:{key}"

    # -- ours, of one queue and one consumer

    def unacked(self, queue: str, consumer: str) -> str:
        """HASH tag → message in flight. ``tag % 4`` is the index in `STEPS` of the list that it came from."""
        return f"{self.prefix}kq:u:{{{queue}}}:{consumer}"

    def landing(self, queue: str, consumer: str, step: int = 0) -> str:
        """LIST into which the idle consumer's blocking move puts messages of one step."""
        return f"{self.prefix}kq:in:{{{queue}}}:{consumer}" + (f"{SEPARATOR}{step}" if step else "")

    def begun(self, queue: str, consumer: str) -> str:
        """SET of the tags of redelivered messages that the consumer has begun to run."""
        return f"{self.prefix}kq:bg:{{{queue}}}:{consumer}"

    def of(self, queue: str, consumer: str) -> list[str]:
        """Return the twelve keys that scripts about one queue and one consumer take, in their order."""
        return [
            self.alive(queue),
            self.unacked(queue, consumer),
            self.counts(queue),
            self.begun(queue, consumer),
            *self.lists(queue),
            self.delayed(queue),
            self.bodies(queue),
            self.dead(queue),
            self.reasons(queue),
        ]

    def landings(self, queue: str, consumer: str) -> list[str]:
        """Return each landing list, with the list that it belongs to."""
        return [key for step in LANDING for key in (self.landing(queue, consumer, step), self.ready(queue, step))]

    def all_of(self, queue: str, consumer: str) -> list[str]:
        """Return what scripts take that give back all that a consumer has of a queue."""
        return [*self.of(queue, consumer), *self.landings(queue, consumer), *self.rescues(consumer)]

    # -- ours, of the whole database

    @property
    def queues(self) -> str:
        """SET of the names of all queues that KernelQ has consumed from or sent to."""
        return f"{self.prefix}kq:queues"


def delayed_member(step: int, ident: str) -> str:
    """Return the name of a delayed message: its step, which promotion needs, and whatever makes it unique."""
    return f"{step}:{ident}"


def entry_end(queue: str) -> str:
    """Return how kombu's entry of a message in flight ends that is to go back to `queue`, and nowhere else."""
    return f',"",{json.dumps(queue)}]'


def binding_member(routing_key: str, pattern: str, queue: str) -> str:
    """Return a member of `Keys.binding`."""
    return SEPARATOR.join((routing_key, pattern, queue))
