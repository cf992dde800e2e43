from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console as RichConsole

from lewm_probe.cli.terminal import live as module
from lewm_probe.cli.terminal.console import Console
from lewm_probe.cli.terminal.training_table import TrainingTable, sparkline


def record(step: int, split: str = "train", **changes: Any) -> dict[str, Any]:
    return {
        "step": step,
        "epoch": step / 100,
        "split": split,
        "loss": 2.0 / step,
        "prediction": 1.0 / step,
        "sigreg": 1.0,
        "latent_std": 0.5,
        "centered_effective_rank": 20.0 + step,
        **changes,
    }


LIVE = {"frames_per_second": 5120.4, "total_steps": 200, "seconds_left": 75.0}


class Written:
    """A console whose standard error is kept."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, terminal: bool, **options: bool) -> None:
        self.file = io.StringIO()
        rich = RichConsole(
            file=self.file, force_terminal=terminal, width=160, color_system=None, highlight=False
        )
        monkeypatch.setattr(Console, "errors", rich)
        self.console = Console(**options)

    @property
    def text(self) -> str:
        return self.file.getvalue()


def test_a_live_table_shows_every_term_speed_time_left_and_collapse(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    written = Written(monkeypatch, terminal=True)
    with TrainingTable(written.console, "lewm, seed 0") as shown:
        shown.log(record(10, **LIVE))
        shown.log(record(10, split="validation", loss=0.75))
        shown.log(record(20, **LIVE))
    last = written.text.rsplit("lewm, seed 0 · step 20/200", 1)[1]
    rows = [[cell.strip() for cell in line.split("│")] for line in last.splitlines()]
    cells = {row[1]: row[2:5] for row in rows if len(row) == 6}
    assert cells == {
        "loss": ["0.100", "0.750", "█▁"],
        "prediction": ["0.0500", "0.100", "█▁"],
        "sigreg": ["1.00", "1.00", "▁▁"],
        "latent std": ["0.500", "0.500", "▁▁"],
        "centred rank": ["40.0", "30.0", "▁█"],
    }
    assert "5,120 frames/s · 1 min 15 s left" in last


def test_in_a_log_a_line_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    written = Written(monkeypatch, terminal=False)

    class Clock:
        now = 100.0

        def monotonic(self) -> float:
            return self.now

    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    with TrainingTable(written.console, "lewm, seed 0") as shown:
        shown.log(record(1, split="validation"))
        shown.log(record(10, **LIVE))
        shown.log(record(20, **LIVE))
        clock.now += 16
        shown.log(record(30, **LIVE))
    rest = "latent std 0.500 · centred rank {}.0 · 5,120 frames/s · 1 min 15 s left\n"
    assert written.text == (
        "lewm, seed 0: step 10/200 · loss 0.200 · prediction 0.100 · sigreg 1.00 · "
        + rest.format(30)
    ) + (
        "lewm, seed 0: step 30/200 · loss 0.0667 · prediction 0.0333 · sigreg 1.00 · "
        + rest.format(50)
    )


@pytest.mark.parametrize("option", ["quiet", "as_json"])
def test_silence(monkeypatch: pytest.MonkeyPatch, option: str) -> None:
    written = Written(monkeypatch, terminal=True, **{option.removeprefix("as_"): True})
    with TrainingTable(written.console, "x") as shown:
        shown.log(record(10, **LIVE))
    assert written.text == ""


def test_before_the_first_record(monkeypatch: pytest.MonkeyPatch) -> None:
    written = Written(monkeypatch, terminal=True)
    with TrainingTable(written.console, "x"):
        pass
    assert "x · starting" in written.text


@pytest.mark.parametrize(
    ("course", "drawn"),
    [
        ([1.0], "▁"),
        ([1.0, 1.0, 1.0], "▁▁▁"),
        ([0.0, 7.0, 3.5], "▁█▅"),
        ([float(i // 10) for i in range(80)], "▁▂▃▄▅▆▇█"),
    ],
)
def test_a_course_goes_from_its_least_to_its_greatest(course: list[float], drawn: str) -> None:
    assert sparkline(course, width=8) == drawn


def test_long_courses_fill_the_width() -> None:
    assert all(len(sparkline([float(i) for i in range(n)], 24)) == 24 for n in range(24, 200, 7))
