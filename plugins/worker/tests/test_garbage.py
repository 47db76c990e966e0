"""The collector's rest while a worker starts."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

SCRIPT = """
import gc, json, os, sys
from kernelq_worker.garbage import SELDOM, Rest
gc.set_threshold(500, 7, 3)
rest = Rest()
told = [gc.get_threshold()[0] == SELDOM]
{meanwhile}
reading, writing = os.pipe()
if os.fork() == 0:
    os.write(writing, json.dumps(gc.get_threshold()).encode())
    os._exit(0)
os.wait()
told += [json.loads(os.read(reading, 100)), gc.get_freeze_count() > 0]
rest.end()
told += [gc.get_threshold(), gc.get_freeze_count() > 0]
rest.end()
print(json.dumps(told))
"""


@pytest.mark.parametrize(
    ("meanwhile", "expected"),
    [
        pytest.param("", [True, [500, 7, 3], False, [500, 7, 3], True], id="it-ends"),
        pytest.param("gc.set_threshold(9, 8, 7)", [True, [9, 8, 7], False, [9, 8, 7], False], id="the-apps-hold"),
    ],
)
def test_it_lasts_until_its_end_and_in_a_forked_process_until_its_beginning(meanwhile, expected):
    """Thresholds that the app sets meanwhile hold."""
    command = [sys.executable, "-c", SCRIPT.format(meanwhile=meanwhile)]

    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)

    assert expected == json.loads(done.stdout)


def test_a_collector_that_is_off_stays_off():
    """An app may have turned it off for good."""
    script = (
        "import gc; from kernelq_worker.garbage import Rest; "
        "rest = Rest(); gc.disable(); rest.end(); print(gc.isenabled())"
    )

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)

    assert "False\n" == done.stdout
