from __future__ import annotations

from pathlib import Path

import pytest

from lewm_probe.analyses.rollout.report.figure import rollout_plot
from lewm_probe.reports.figures.style import render, thousands
from lewm_probe.reports.results_view import views
from lewm_probe.results.result import Result


@pytest.fixture(scope="module")
def drawn(small: Result, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    plot = rollout_plot(views(small)[0])
    assert plot is not None
    folders = tmp_path_factory.mktemp("one"), tmp_path_factory.mktemp("two")
    for folder in folders:
        render(plot, folder)
    return folders


def test_the_same_results_give_the_same_bytes(drawn: tuple[Path, Path]) -> None:
    first, second = (sorted(folder.iterdir()) for folder in drawn)
    assert [path.name for path in first] == [
        "two-room-rollout-column.pdf",
        "two-room-rollout-column.svg",
        "two-room-rollout.pdf",
        "two-room-rollout.png",
        "two-room-rollout.svg",
    ]
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes(), one.name


def test_files_carry_no_date_and_no_program(drawn: tuple[Path, Path]) -> None:
    for path in drawn[0].iterdir():
        data = path.read_bytes()
        for word in (b"CreationDate", b"matplotlib.org", b"dc:date", b"Matplotlib"):
            assert word not in data, (path.name, word)


def test_steps_are_written_short() -> None:
    assert [thousands(v, 0) for v in (0, 200, 1600, 50000)] == ["0", "200", "1.6k", "50k"]
