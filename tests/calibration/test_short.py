"""The calibration in small: a fixed seed, and rates that only a broken method would miss."""

from __future__ import annotations

import json

import numpy as np
import pytest

from lewm_probe.stats.bootstrap import Estimate
from tests.calibration import figure, methods, plan, readouts, reports, run, tell, trajectories
from tests.calibration.study import Row, coverage, rate


@pytest.fixture
def rng():
    return np.random.default_rng(20261126)


def spare(repeats: int, nominal: float = 0.05) -> float:
    """Four Monte-Carlo errors."""
    return 4 * float(np.sqrt(nominal * (1 - nominal) / repeats))


def by(rows, kind: str) -> list[Row]:
    found = [row for row in rows if row.kind == kind and row.goal is not None]
    assert found
    return found


@pytest.mark.parametrize("kind", ["normal", "t3", "contaminated", "real: step teleport"])
def test_paired_tests_reject_and_intervals_cover_as_they_say(rng, kind):
    rows = list(trajectories.tests(rng, 300, kind, 100))
    assert all(row.value <= 0.05 + spare(300) for row in by(rows, "test"))
    assert all(row.value >= 0.95 - spare(300) for row in by(rows, "interval"))


@pytest.mark.parametrize("effect", [0.0, 1.0])
def test_effect_sizes_are_covered(rng, effect):
    for kind in ("normal", "t3"):
        (row,) = trajectories.effects(rng, 300, kind, 100, effect)
        assert row.value >= 0.95 - spare(300)


@pytest.mark.parametrize(("kind", "area"), [("normal", 0.5), ("normal", 0.999), ("mixture", 0.95)])
def test_aurocs_are_covered(rng, kind, area):
    rows = list(trajectories.areas(rng, 300, kind, 100, area))
    assert all(row.value >= 0.95 - spare(300) for row in by(rows, "interval"))
    if area == 0.5:
        assert all(row.value <= 0.05 + spare(300) for row in by(rows, "test"))


@pytest.mark.parametrize(
    ("own", "other", "seeds"), [(0.9, 0.9, 1), (0.97, 0.97, 3), (0.99, 0.95, 1)]
)
def test_gains_are_covered_and_not_found_where_there_are_none(rng, own, other, seeds):
    spread = 0.1 if seeds > 1 else 0.0
    rows = list(trajectories.gains(rng, 300, 100, own, other, seeds=seeds, spread=spread))
    assert all(row.value >= 0.95 - spare(300) for row in by(rows, "interval"))
    if own == other:
        assert all(row.value <= 0.05 + spare(300) for row in by(rows, "test"))


def test_a_detection_rate_counts_the_error_of_its_threshold(rng):
    (row,) = trajectories.detection(rng, 300, "normal", 100, 100, 1.6)
    assert row.value >= 0.95 - spare(300)


def test_no_dose_is_named_where_none_is_noticed(rng):
    (row,) = trajectories.doses(rng, 100, 100, "nothing is noticed")
    assert row.value <= 0.05 + spare(100)


def test_methods_that_are_equal_are_not_told_apart(rng):
    for measure in ("auroc", "mse"):
        rows = list(methods.differences(rng, 60, (3, 3), 100, measure, 0.5))
        assert all(row.value <= 0.05 + spare(60) for row in by(rows, "test"))
        assert all(row.value >= 0.95 - spare(60) for row in by(rows, "interval"))
    (row,) = methods.sentences(rng, 40, (3, 3), 100, 0.1)
    assert row.value <= 0.05 + spare(40)


def test_probes_and_directions_are_covered(rng):
    rows = list(readouts.probes(rng, 60, "normal", 50))
    rows += list(readouts.ranks_of_latents(rng, 40, 50, False))
    assert len(rows) == 5
    assert all(row.value >= 0.95 - spare(40) for row in rows)


@pytest.mark.parametrize("null", reports.NULLS)
def test_a_report_of_nothing_says_nothing(rng, null):
    rows = list(reports.reports(rng, 15, 50, null))
    assert all(row.value <= 0.05 + spare(15) for row in by(rows, "family"))
    assert all(row.value <= 0.07 for row in by(rows, "verdict"))


def test_an_undefined_interval_covers_nothing():
    keys = {"study": "s", "what": "w", "scenario": "x", "n": 5, "seeds": "", "goal": 0.9}
    row = coverage([Estimate(0.0, -1.0, 1.0), Estimate(0.0), Estimate(3.0, 2.0, 4.0)], 0.0, **keys)
    assert (row.value, row.width, row.too_high) == pytest.approx((1 / 3, 2.0, 1 / 3))
    assert row.met is False
    none = rate([False] * 98, kind="test", **keys)
    assert none.value == 0
    assert none.error == pytest.approx(0.01, rel=0.02)  # one of a hundred might have been


def test_cells_have_names_of_their_own_and_run_again_to_the_same_numbers():
    cells = plan.cells()
    assert len({cell.name for cell in cells}) == len(cells)
    cell = next(cell for cell in cells if cell.name == "areas-normal-50-0.9")
    assert cell.rows(20) == cell.rows(20)


def test_a_stopped_calibration_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(run, "DONE", tmp_path)
    (tmp_path / "short").mkdir()
    cells = plan.cells()
    place = next(i for i, cell in enumerate(cells) if cell.name == "areas-normal-50-0.9")
    assert run.finished(cells[place], True) is None
    run.run_cell(place, True)
    record = run.finished(cells[place], True)
    assert record is not None
    assert [path.name for path in (tmp_path / "short").iterdir()] == ["areas-normal-50-0.9.json"]
    path = tmp_path / "short" / "areas-normal-50-0.9.json"
    path.write_text(json.dumps(record | {"code": "older"}))
    assert run.finished(cells[place], True) is None


def test_what_is_published_says_what_is_met(tmp_path, rng):
    rows = [*trajectories.areas(rng, 40, "normal", 50, 0.9), *trajectories.tests(rng, 40, "t3", 50)]
    missed = rate([True, False] * 20, study="AUROC", kind="test", what="a bad test",
                  scenario="any", n=50, seeds="", goal=0.07)  # fmt: skip
    record = {"cell": "c", "code": "k", "seed": [1, 2], "seconds": 3.0, "rows": []}
    tell.write(tmp_path, [record], [*rows, missed], 2, "a machine")
    told = (tmp_path / "README.md").read_text()
    assert "1 of 2 cells" in told
    assert "| a bad test | any | 50 |" in told
    assert "**50.0 ± 7.9**" in told
    figure.draw(tmp_path, [*rows, missed])
    assert {p.suffix for p in tmp_path.iterdir()} == {
        ".md",
        ".csv",
        ".json",
        ".png",
        ".pdf",
        ".svg",
    }
