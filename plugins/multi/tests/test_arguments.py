"""What was typed."""

from __future__ import annotations

import signal

import pytest

from kernelq_multi.arguments import Arguments, Options, parse, signal_of


@pytest.mark.parametrize(
    ("words", "names", "options", "of_some"),
    [
        ("5 -c 3", ["5"], {"-c": "3"}, {}),
        ("a b -E", ["a", "b"], {"-E": None}, {}),
        ("a --purge b", ["a", "b"], {"--purge": None}, {}),
        ("a --loglevel=INFO", ["a"], {"--loglevel": "INFO"}, {}),
        ("a --logfile=a=b.log", ["a"], {"--logfile": "a=b.log"}, {}),
        ("5 -c 3 -c:1-3 10 -Q:4 data", ["5"], {"-c": "3"}, {"1-3": {"-c": "10"}, "4": {"-Q": "data"}}),
        ("bob -c:bob 2 --queues:bob=x", ["bob"], {}, {"bob": {"-c": "2", "--queues": "x"}}),
        ("a -E -c 3", ["a"], {"-E": None, "-c": "3"}, {}),
    ],
)
def test_names_and_options_are_told_apart(
    words: str, names: list[str], options: Options, of_some: dict[str, Options]
) -> None:
    assert Arguments(names, options, of_some) == parse(words.split())


def test_what_follows_two_dashes_is_every_nodes_as_it_is() -> None:
    assert ["--", "worker.pool=solo", "-x"] == parse(["a", "--", "worker.pool=solo", "-x"]).rest


@pytest.mark.parametrize("word", ["-9", "-KILL", "-SIGKILL"])
def test_a_signal_is_found_where_it_is_looked_for(word: str) -> None:
    found = parse(["a", "b", word, "-c", "3"], signals=True)

    assert (signal.SIGKILL, {"-c": "3"}) == (found.signal, found.options)
    assert parse(["a", word]).signal is None


@pytest.mark.parametrize("word", ["Q", "c", "0", "999", "", "NOTHING"])
def test_what_is_no_signal_is_none(word: str) -> None:
    assert signal_of(word) is None
