"""The shell knows the app."""

from __future__ import annotations

import os
import subprocess
import sys


def test_the_shell_knows_the_app(folder):
    done = subprocess.run(
        [sys.executable, "-m", "kernelq.cli.main", "-A", "shop", "shell", "--plain"], cwd=folder,
        input="print(app.main)\n", capture_output=True, text=True, timeout=60, check=False,
        env=os.environ | {"PYTHONPATH": str(folder)},
    )  # fmt: skip
    assert "shop" in done.stdout
