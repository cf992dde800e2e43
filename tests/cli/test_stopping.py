"""Commands that are stopped at any moment, by real signals."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from lewm_probe.cli.terminal.errors import Stopped, interruptible
from lewm_probe.core.errors import UserError
from lewm_probe.core.processes.stopping import deferred, heard

LISTENING = "import lewm_probe.cli.main as m; print('begun', flush=True); m.main()"
"""The command, which says when it hears."""

SENTENCES = {
    "Error: Stopped. Run the same command again to go on.",
    "Error: Stopped. Nothing half-written was left behind. Run the same command again to go on.",
}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("moment", [0.0, 0.03, 0.1, 0.2, 0.4, 0.6, 0.8])
def test_at_whatever_moment_there_is_one_sentence(number: int, moment: float) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", LISTENING, "recipes", "ls"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    time.sleep(moment + 0.005)
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    if process.returncode:
        assert (process.returncode, errors.count("\n")) == (1, 1)
        assert errors.strip() in SENTENCES
    else:
        assert errors == ""


@pytest.mark.parametrize(
    "fail", [lambda: RuntimeError("a library's own"), lambda: OSError(5, "Input/output error")]
)
def test_what_a_library_makes_of_a_signal_is_still_a_stop(fail: Callable[[], Exception]) -> None:
    with pytest.raises(Stopped) as caught, heard(), interruptible("All is kept."):
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(60)
        except KeyboardInterrupt:
            raise fail() from None
    assert str(caught.value) == "Stopped. All is kept."
    with pytest.raises(type(fail())), heard(), interruptible("All is kept."):
        raise fail()


def test_a_sentence_that_we_made_of_it_is_a_stop_too_but_one_of_its_own_is_not() -> None:
    with pytest.raises(Stopped), heard(), interruptible("All is kept."):
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(60)
        except KeyboardInterrupt:
            raise UserError("The model is broken.")  # noqa: B904  # as libraries do
    full = pytest.raises(UserError, match="^The disk is full.$")
    with full, heard(), interruptible("All is kept."), deferred():
        os.kill(os.getpid(), signal.SIGTERM)
        raise UserError("The disk is full.")


def test_the_sentence_nearest_to_the_work_is_said() -> None:
    with pytest.raises(Stopped) as caught, heard(), interruptible("Far."), interruptible("Near."):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(60)
    assert str(caught.value) == "Stopped. Near."


def test_a_swallowed_signal_is_no_success(tmp_path: Path) -> None:
    code = (
        "import os, signal, lewm_probe.cli.recipes as r\n"
        "from lewm_probe.core import resources\n"
        "real = resources.recipe_names\n"
        "def names():\n"
        "    try: os.kill(os.getpid(), signal.SIGTERM)\n"
        "    except BaseException: pass\n"
        "    return real()\n"
        "resources.recipe_names = names\n"
        "from lewm_probe.cli.main import main\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "recipes", "ls"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert done.stderr.strip() in SENTENCES
