"""Only what is accepted is decoded, and only in bounds."""

from __future__ import annotations

import pickle
import zlib

import pytest
from client_fakes import raw_job

from kernelq.bodies import BodyReader, Refused
from kernelq.kernel.errors import ConfigurationError

PICKLE = "application/x-python-serialize"


def test_the_dialect_of_kombu_is_understood():
    body = b'[[{"__type__": "bytes", "__value__": "x"}], {}, null]'

    assert ([b"x"], {}, None) == BodyReader().read(raw_job(body))


def test_protocol_1_has_its_links_in_the_body():
    body = b'{"task": "app.add", "id": "t1", "args": [1], "kwargs": null, "callbacks": [7]}'
    args, kwargs, embed = BodyReader().read(raw_job(body))

    assert ([1], {}, [7], None) == (args, kwargs, embed["callbacks"], embed["chain"])


def test_a_content_type_is_accepted_by_name_or_as_itself():
    job = raw_job(pickle.dumps([[1], {}, None]), PICKLE, content_encoding="binary")

    assert [1] == BodyReader(["pickle"]).read(job)[0]
    assert [1] == BodyReader([PICKLE]).read(job)[0]
    with pytest.raises(Refused, match="accept_content: application/json"):
        BodyReader(["json"]).read(job)
    with pytest.raises(Refused, match="application/json"):
        BodyReader(["pickle"]).read(raw_job(b"[[], {}, null]"))


@pytest.mark.parametrize("kind", ["application/data", "application/text", "", "application/x-python-serialize"])
def test_types_that_kombu_would_trust_are_refused_too(kind):
    with pytest.raises(Refused, match="not accepted"):
        BodyReader().read(raw_job(b"[[], {}, null]", kind))


def test_sizes_are_bounded_before_and_after_unpacking():
    small = BodyReader(max_bytes=100, max_decompressed=1000)
    with pytest.raises(Refused, match="max_message_bytes is 100"):
        small.read(raw_job(b" " * 101))
    packed = zlib.compress(b"[[" + b" " * 2000 + b"], {}, null]")
    with pytest.raises(Refused, match="more than 1000 bytes"):
        small.read(raw_job(packed, headers={"compression": "application/x-gzip"}))


def test_a_body_cut_short_is_refused():
    packed = zlib.compress(b"[[1], {}, null]")[:-3]
    with pytest.raises(Refused):
        BodyReader().read(raw_job(packed, headers={"compression": "application/x-gzip"}))


def test_text_with_many_brackets_is_not_deep():
    body = b'[["' + b"[{" * 200 + b'"], {}, null]'

    assert ["[{" * 200] == BodyReader().read(raw_job(body))[0]


def test_an_unknown_name_in_accept_content_is_an_error_of_the_settings():
    with pytest.raises(ConfigurationError, match="klingon"):
        BodyReader(["klingon"])
