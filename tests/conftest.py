"""Settings for all tests: one thread a worker, no windows, plain text, repeatable properties."""

from __future__ import annotations

import os
import signal

from hypothesis import settings

pytest_plugins = [
    "tests.fixtures.analyses",
    "tests.fixtures.plugin",
    "tests.fixtures.reports",
    "tests.fixtures.stores",
]

# What a shell runs in the background is deaf to Ctrl-C, and so would be all that tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ["COLUMNS"] = "200"  # rich and typer wrap at the terminal's width
os.environ["NO_COLOR"] = "1"

# No deadline: machines are shared. Derandomised: the same examples for everyone.
settings.register_profile("lewm-probe", deadline=None, derandomize=True, max_examples=40)
settings.load_profile("lewm-probe")
