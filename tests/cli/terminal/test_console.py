from __future__ import annotations

import errno
import io
import json
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import typer
from rich.console import Console as RichConsole
from typer.testing import CliRunner

from lewm_probe.cli.terminal import bars as module
from lewm_probe.cli.terminal.bars import Bars
from lewm_probe.cli.terminal.console import Console
from lewm_probe.cli.terminal.errors import ReadableErrors, interruptible
from lewm_probe.cli.terminal.tables import table
from lewm_probe.core.errors import UsageError, UserError
from lewm_probe.core.progress import expect


def command_that_raises(error: BaseException, kept: str | None = None) -> typer.Typer:
    app = typer.Typer(cls=ReadableErrors)

    @app.callback()
    def root() -> None:
        pass

    @app.command()
    def work(debug: bool = False) -> None:
        if kept is None:
            raise error
        with interruptible(kept):
            raise error

    return app


def test_what_a_strangers_model_prints_stays_out_of_the_json() -> None:
    app = typer.Typer(cls=ReadableErrors)

    @app.callback()
    def root() -> None:
        pass

    @app.command()
    def work(json: bool = False) -> None:
        print("loading weights")  # noqa: T201 as untrusted code would
        Console(json=json).finish(None, {"a": 1})

    answer = CliRunner().invoke(app, ["work", "--json"])
    assert (answer.exit_code, answer.stderr) == (0, "loading weights\n")
    assert json.loads(answer.stdout) == {"a": 1, "wrote": []}
    assert CliRunner().invoke(app, ["work"]).stdout == "loading weights\n"


@pytest.mark.parametrize(
    ("words", "after"), [(["work", "--out", ""], " after --out"), (["", "work"], "")]
)
def test_an_empty_argument_is_a_variable_that_is_not_set(words: list[str], after: str) -> None:
    """As a path it would be the current folder, and be written to."""
    answer = CliRunner().invoke(command_that_raises(AssertionError()), words)
    assert answer.exit_code == 2
    assert answer.stderr == (
        f"Error: The command line has an empty argument{after}. Leave it out, or set the variable "
        "that it comes from.\n"
    )


UNEXPECTED = (
    "Something went wrong inside lewm-probe (ValueError: bad thing). Please run the command again "
    "with --debug and report what it prints."
)


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (UserError("What. Why. Do this."), 1, "What. Why. Do this."),
        (UsageError("What. Why. Do this."), 2, "What. Why. Do this."),
        (ValueError("bad\nthing"), 1, UNEXPECTED),
        (
            KeyError(),
            1,
            "Something went wrong inside lewm-probe (KeyError). Please run the command again with "
            "--debug and report what it prints.",
        ),
        (
            KeyboardInterrupt(),
            1,
            "Stopped. Nothing half-written was left behind. Run the same command again to go on.",
        ),
        (
            MemoryError(),
            1,
            "The computer ran out of memory. Close other programs, or ask for less at once: fewer "
            "--trajectories, a smaller image size, or a smaller batch (--set).",
        ),
        (
            torch.OutOfMemoryError("CUDA out of memory. Tried to allocate"),
            1,
            "The GPU ran out of memory. Free it from other programs, take a smaller batch (--set), "
            "or compute with --device cpu.",
        ),
        (
            OSError(errno.ENOSPC, "No space left on device", "/data/a"),
            1,
            "The disk is full: /data/a could not be written. Free some space, or choose another "
            "place with --out, and run the command again.",
        ),
        (
            OSError(errno.ENOSPC, "No space left on device"),
            1,
            "The disk is full. Free some space, or choose another place with --out, and run the "
            "command again.",
        ),
        (
            PermissionError(errno.EACCES, "Permission denied", "/data/a"),
            1,
            "/data/a: Permission denied. Check the path and its permissions.",
        ),
    ],
)
def test_whatever_is_raised_becomes_one_paragraph(
    error: BaseException, code: int, message: str
) -> None:
    answer = CliRunner().invoke(command_that_raises(error), ["work"])
    assert answer.stderr == f"Error: {message}\n"
    assert answer.stdout == ""
    assert answer.exit_code == code


def test_debug_shows_the_traceback_too() -> None:
    answer = CliRunner().invoke(command_that_raises(ValueError("bad thing")), ["work", "--debug"])
    assert answer.exit_code == 1
    assert answer.stderr.startswith("Traceback (most recent call last):\n")
    assert answer.stderr.endswith(f"ValueError: bad thing\nError: {UNEXPECTED}\n")


def test_ctrl_c_says_what_is_kept() -> None:
    app = command_that_raises(KeyboardInterrupt(), "The run is kept in x. Add --resume to go on.")
    answer = CliRunner().invoke(app, ["work"])
    assert answer.exit_code == 1
    assert answer.stderr == "Error: Stopped. The run is kept in x. Add --resume to go on.\n"


def test_json_is_all_that_standard_output_carries(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console(json=True)
    console.note("for people")
    with console.progress() as bars, bars.task("work", 1) as task:
        task.advance()
    console.finish(table("t", ("a",), [["b"]]), {"value": 1, "where": Path("x")}, Path("out"))
    reported = capsys.readouterr()
    assert json.loads(reported.out) == {"value": 1, "where": "x", "wrote": ["out"]}
    assert reported.err == ""


def test_quiet_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console(quiet=True)
    console.note("for people")
    console.finish("summary", {"value": 1}, Path("out"))
    assert capsys.readouterr() == ("", "")


def test_the_end_is_a_table_and_the_paths(capsys: pytest.CaptureFixture[str]) -> None:
    rows: list[list[object]] = [["first", 0.123456, None], ["second", 12, "x"]]
    Console().finish(table("Title", ("name", "a", "b"), rows), {}, [Path("out"), Path("[x]")])
    reported = capsys.readouterr()
    assert reported.err == ""
    lines = [re.sub(r"\s*[┃│]\s*", " | ", line).strip(" |") for line in reported.out.splitlines()]
    assert lines[0] == "Title"
    assert lines[2] == "name | a | b"
    assert lines[4:6] == ["first | 0.123 | –", "second | 12 | x"]
    assert lines[-2:] == ["Wrote out", "Wrote [x]"]


class FakeTime:
    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeTime:
    clock = FakeTime()
    monkeypatch.setattr(module, "time", clock)
    return clock


def log_bars() -> tuple[Bars, io.StringIO]:
    written = io.StringIO()
    return Bars(RichConsole(file=written, force_terminal=False, width=200)), written


def test_in_a_log_long_work_leaves_a_line_every_ten_seconds(clock: FakeTime) -> None:
    bars, written = log_bars()
    with bars.task("short", 1):
        clock.now += 1.9
    with bars.task("long [x]", 10) as task:
        clock.now += 9
        task.advance(1)
        clock.now += 2
        task.advance(4)
        clock.now += 5
        task.advance(5)
    with bars.task("endless", None) as task:
        clock.now += 31
        task.advance(1)
    assert written.getvalue() == (
        "long [x]: 50 %, 11 s left\nlong [x]: 16 s\nendless: 31 s so far\nendless: 31 s\n"
    )


def test_two_tasks_that_do_not_fit_a_line_get_one_each(clock: FakeTime) -> None:
    bars, written = log_bars()
    with bars.task("outer", 2), bars.task("inner of a name " + 50 * "x", 2) as inner:
        clock.now += 11
        inner.advance(1)
        assert written.getvalue() == (
            f"outer: 25 %, 33 s left\n  inner of a name {50 * 'x'}: 50 %, 11 s left\n"
        )


def test_what_is_inside_fills_the_unit_that_a_task_is_at(clock: FakeTime) -> None:
    bars, written = log_bars()
    with bars.task("all", 10) as outer:
        expect(outer, 8)
        with bars.task("part", 2) as inner:
            with bars.task("training", 4) as deepest:
                clock.now += 20
                deepest.advance(2)
            clock.now += 10
            inner.advance()
        outer.advance(8)
        clock.now += 10
        outer.advance(2)
    assert written.getvalue().splitlines() == [
        "all: 20 %, 1 min 20 s left · training: 50 %, 20 s left",
        "all: 40 %, 45 s left · part: 50 %, 30 s left",
        "part: 30 s",
        "all: 100 %, 0.0 s left",
        "all: 40 s",
    ]


def test_a_log_is_told_even_while_nothing_advances(clock: FakeTime) -> None:
    bars, written = log_bars()
    with bars.task("silent", 3):
        clock.now += 11
        deadline = time.monotonic() + 20
        while not written.getvalue() and time.monotonic() < deadline:
            time.sleep(0.05)
    assert written.getvalue() == "silent: 0 %\nsilent: 11 s\n"


def test_work_that_failed_leaves_no_line_of_its_end(clock: FakeTime) -> None:
    bars, written = log_bars()
    with pytest.raises(ValueError, match="^bad$"), bars.task("broken", 2):
        clock.now += 5
        raise ValueError("bad")
    assert written.getvalue() == ""


def test_in_a_terminal_a_bar_with_time_left_appears_after_two_seconds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert module.SHOWN_AFTER == 2.0
    written = io.StringIO()
    bars = Bars(RichConsole(file=written, force_terminal=True, width=100, color_system=None))
    with bars.task("working", 10) as task:
        assert bars._bars is not None
        task.advance(2)
        bars._bars.refresh()
        assert "working" not in written.getvalue()
        monkeypatch.setattr(module, "SHOWN_AFTER", 0.0)
        task.advance(2)
        bars._bars.refresh()
        assert re.search(r"working .* 40% .*· left +(0:00:\d\d|-:--:--)", written.getvalue())
    assert bars._bars is None


def test_a_closed_pipe_ends_quietly() -> None:
    command = f"{sys.executable} -m lewm_probe.cli.main recipes ls --json | head -c 1"
    reported = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert (reported.stdout, reported.stderr) == ("{", "")
