"""Which nodes there are and what each gets, beside Celery's own command."""

from __future__ import annotations

import shlex

import pytest
from celery.apps.multi import MultiParser, NamespacedOptionParser, Node

from kernelq.nodenames import gethostname
from kernelq_multi.arguments import parse
from kernelq_multi.nodes import NoSuchNode, nodes

Found = dict[str, dict[str, str | None]]

WORDS = [
    "3",
    "1 -c 4",
    "image",
    "image video data -c 3",
    "image video data -c 3 -c:image 10",
    "foo bar baz xuzzy -c 3 -c:foo,bar,baz 10",
    "foo bar baz -c 3 -c:1 10 -Q:2,3 data",
    "foo bar -c:1,2 10",
    "3 -c 3 -c:1 10",
    "5 -c 3 -c:1-3 10 -Q:4,5 data -Q default",
    "10 -l INFO -Q:1-3 images,video -Q:4,5 data -Q default -l:4,5 DEBUG",
    "5 -c:1-9 2",
    "3 --range-prefix=worker -c 3",
    "2 --hostname=worker.example.com -c 3",
    "2 -n worker.example.com",
    "foo@worker.example.com bar@worker.example.com -c 3",
    "foo@%h bar@%h",
    "foo@a foo@b -c:foo@a 2",
    "foo@a bar@a -c:foo 2",
    "a b --prefix=p- --suffix=example.org -c:a 2",
    "a b --suffix=''",
    "my-node -c:my-node 7",
    "a b -E --purge --autoscale:a=10,3",
    "a b --logfile:b=here-%n.log --pidfile:1=%N-%d-%h.pid",
]


class Kept(Node):
    """Celery's, which makes no folders."""

    def _setdefaultopt(self, d, alt, value):
        return next((d[option] for option in alt if option in d), d.setdefault(alt[0], value))


class Parser(MultiParser):
    """Celery's, for these nodes."""

    Node = Kept


def celerys(words: str) -> Found:
    """What Celery makes of words: options by the names of its nodes."""
    read = NamespacedOptionParser(words.split())
    read.parse()
    return {
        node.name: {
            name: value and node.expander(value) for name, value in node.options.items() if name != "--executable"
        }
        for node in Parser(cmd="celery worker").parse(read)
    }


def ours(words: str) -> Found:
    """What we make of words, read from the command lines."""
    found: Found = {}
    for node in nodes(parse(words.split()), {}):
        left = node.argv[4:]
        options: dict[str, str | None] = {}
        while left:
            name, separator, value = left.pop(0).partition("=")
            takes = not name.startswith("--") and left and not left[0].startswith("-")
            options[name] = value if separator else left.pop(0) if takes else None
        found[node.name] = options
    return found


@pytest.mark.parametrize("words", WORDS)
def test_each_node_has_the_name_and_the_options_that_celery_gives_it(
    words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The files by default are others."""
    files = {"--pidfile": "/var/run/celery/%n.pid", "--logfile": "/var/log/celery/%n%I.log"}
    monkeypatch.setattr("kernelq_multi.node.default_paths", lambda: files)
    theirs, mine = celerys(words), ours(words)

    assert list(theirs) == list(mine), "in the same order"
    assert theirs == mine


@pytest.mark.parametrize("template", ["%n", "%N", "%h", "%d", "%p", "/x/%n%I.%i.log", "100%%", "no letters"])
@pytest.mark.parametrize("name", ["foo", "foo@host.example.org", "foo@%h"])
def test_a_template_is_expanded_as_celery_does(template: str, name: str) -> None:
    read = NamespacedOptionParser([name])
    read.parse()
    (theirs,) = Parser(cmd="celery worker").parse(read)

    assert [theirs.expander(template)] == [node.expand(template) for node in nodes(parse([name]), {})]


def test_a_range_counts_from_its_beginning() -> None:
    """Celery takes it for a name."""
    found = nodes(parse(["3-5", "-c", "1", "-c:4-9", "2"]), {})

    assert [f"celery{n}@{gethostname()}" for n in (3, 4, 5)] == [node.name for node in found]
    assert ["1", "2", "2"] == [node.argv[node.argv.index("-c") + 1] for node in found]


@pytest.mark.parametrize("words", ["a b -c:3 1", "a b -c:0 1", "2 -c:3 1", "3-5 -c:1 1"])
def test_an_option_for_a_node_that_there_is_not_is_told(words: str) -> None:
    with pytest.raises(NoSuchNode, match="for"):
        nodes(parse(words.split()), {})


def test_options_of_the_root_command_are_every_nodes() -> None:
    (node,) = nodes(parse(["a", "--", "worker.pool=solo"]), {"-A": "proj", "--config": "c.toml"})

    assert "-m kernelq -A proj --config=c.toml worker --detach" == " ".join(node.argv[:7])
    assert ["--", "worker.pool=solo"] == node.argv[-2:]
    assert shlex.join(node.line) == f"{node.executable} {shlex.join(node.argv)}"
