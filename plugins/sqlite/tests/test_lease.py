"""How long a lease lasts."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from kernelq.kernel.errors import ConfigurationError
from kernelq_sqlite.lease import LEASE, settings_lease
from kernelq_sqlite.transport import SqliteTransport


@pytest.mark.parametrize(
    ("expected", "options"),
    [(LEASE, None), (LEASE, {}), (LEASE, {"other": 1}), (2.5, {"lease": 2.5}), (60.0, {"lease": 60})],
)
def test_the_options_of_the_transport_say_it(expected, options):
    """20 seconds where they do not."""
    assert expected == settings_lease(SimpleNamespace(broker_transport_options=options))


def test_an_argument_comes_first(url):
    """Tests, and who makes a transport of his own."""
    settings = SimpleNamespace(broker_transport_options={"lease": 60})
    assert (60.0, 2.0) == (SqliteTransport(url, settings)._lease, SqliteTransport(url, settings, lease=2.0)._lease)


@pytest.mark.parametrize("lease", [0, -1, 0.5, "20", None, float("nan")])
def test_nonsense_is_refused_with_a_sentence(url, lease):
    with pytest.raises(ConfigurationError, match=r"lease=.* seconds, 1 at least"):
        SqliteTransport(url, SimpleNamespace(broker_transport_options={"lease": lease}))
