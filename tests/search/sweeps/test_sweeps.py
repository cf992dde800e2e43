"""Sweep files, their cells, and what becomes of those that fail; nothing is trained."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from lewm_probe.core.config import as_yaml, load_yaml, parse
from lewm_probe.core.errors import UsageError, UserError
from lewm_probe.core.progress import NoProgress
from lewm_probe.core.resources import find_recipe, find_sweep, recipe_names, sweep_names
from lewm_probe.results.schema import Metric
from lewm_probe.search.sweeps.columns import COLUMNS, read, suite_for
from lewm_probe.search.sweeps.file import SweepFile, load_sweep
from lewm_probe.search.sweeps.page import as_csv, markdown, of_cell, write
from lewm_probe.search.sweeps.request import Asked, Sweep, Trained, check_same, make_sweep
from lewm_probe.search.sweeps.run import measure_cells
from lewm_probe.search.training import FailedRun

SMALL: dict[str, Any] = {
    "name": "small",
    "base": "two-room/lewm-cpu",
    "set": {"optimizer.epochs": 1},
    "seeds": [1, 2],
    "axes": [
        {
            "name": "lambda",
            "label": "λ",
            "paper": "Fig 16",
            "cells": [
                {"label": "0.09"},
                {"label": "same", "set": {"objective.sigreg_weight": 0.09}},
                {"label": "1e-3", "set": {"objective.sigreg_weight": 0.001}},
            ],
        },
        {
            "name": "knots",
            "label": "knots",
            "paper": "Fig 15",
            "says": "hardly matter",
            "cells": [{"label": "5", "set": {"objective.knots": 5}}, {"label": "17"}],
        },
    ],
}


def made_of(raw: Mapping[str, Any], folder: Path, **asked: Any) -> Sweep:
    file = parse(dict(raw), SweepFile, "sweep s.yaml")
    given = {"sweep": file, "seeds": file.seeds, "trajectories": file.trajectories, **asked}
    return make_sweep(Asked(**given), folder, Path("d.h5"))


def changed(**parts: Any) -> dict[str, Any]:
    return {**json.loads(json.dumps(SMALL)), **parts}


def test_every_shipped_sweep_is_read_and_is_no_recipe(tmp_path: Path) -> None:
    assert sweep_names() == ["two-room-ablations"]
    for name in sweep_names():
        assert f"sweeps/{name}" not in recipe_names()
        with pytest.raises(UsageError):
            find_recipe(f"training/sweeps/{name}")
        for typed in (name, f"training/sweeps/{name}.yaml"):
            assert find_sweep(typed).is_file()
        file = load_sweep(name)
        made = make_sweep(
            Asked(sweep=file, seeds=file.seeds, trajectories=50), tmp_path, Path("d.h5")
        )
        assert len(made.models) == file.cells <= 27
        assert len(made.runs) == file.cells * len(file.seeds)
        assert made.base.steps == 200


def test_the_ablations_are_those_of_the_paper() -> None:
    axes = {axis.name: [cell.label for cell in axis.cells] for axis in load_sweep(
        "two-room-ablations").axes}  # fmt: skip
    assert list(axes) == [
        *("lambda", "directions", "knots", "width", "dropout", "predictor", "encoder"),
        "reconstruction",
    ]
    assert axes["lambda"] == ["0.001", "0.01", "0.03", "0.09", "0.2", "0.5"]
    assert axes["dropout"] == ["0", "0.1", "0.2", "0.5"]


def test_cells_that_mean_the_same_are_one_model(tmp_path: Path) -> None:
    made = made_of(SMALL, tmp_path)
    assert list(made.models) == ["base", "lambda 1e-3", "knots 5"]
    assert made.places == {
        ("lambda", "0.09"): "base",
        ("lambda", "same"): "base",
        ("lambda", "1e-3"): "lambda 1e-3",
        ("knots", "5"): "knots 5",
        ("knots", "17"): "base",
    }
    assert [run.name for run in made.runs] == [
        *("base, seed 1", "lambda 1e-3, seed 1", "knots 5, seed 1"),
        *("base, seed 2", "lambda 1e-3, seed 2", "knots 5, seed 2"),
    ]
    assert len({run.folder for run in made.runs}) == 6
    assert made.models["lambda 1e-3"].recipe.objective.sigreg_weight == 0.001
    assert {run.recipe.seed for run in made.runs} == {1, 2}
    assert all(run.recipe.optimizer.epochs == 1 for run in made.runs)


def test_a_cell_that_fails_is_recorded_and_the_others_are_measured(tmp_path: Path) -> None:
    made = made_of(SMALL, tmp_path)
    failures = [
        FailedRun("knots 5, seed 1", "'loss' is nan at step 3.", diverged=True),
        FailedRun("lambda 1e-3, seed 2", "The disk is full."),
        FailedRun("lambda 1e-3, seed 1", "The disk is full."),
    ]
    asked: list[tuple[str, list[int]]] = []

    def measure(trained: Trained, seeds: list[int]) -> Mapping[int, Mapping[str, float]]:
        asked.append((trained.name, seeds))
        if trained.name == "knots 5":
            raise UserError("It has no idea.")
        return {seed: {"probe_linear_r2": 0.5 + seed / 10} for seed in seeds}

    said: list[str] = []
    rows = measure_cells(made, failures, measure, NoProgress(), said.append)
    assert asked == [("base", [1, 2]), ("knots 5", [2])]
    assert said == ["knots 5 was not measured: It has no idea."]
    status = {(row.axis, row.label, row.seed): (row.status, row.why) for row in rows}
    assert len(rows) == len(status) == 10
    assert status["knots", "5", 1] == ("diverged", "'loss' is nan at step 3.")
    assert status["knots", "5", 2] == ("trained", "It has no idea.")
    assert status["lambda", "1e-3", 1] == ("failed", "The disk is full.")
    assert status["lambda", "0.09", 1] == status["knots", "17", 1] == ("measured", "")
    assert of_cell(rows, "knots", "17", "probe_linear_r2") == pytest.approx([0.6, 0.7])

    table = list(csv.DictReader(io.StringIO(as_csv(rows, COLUMNS))))
    assert [row["base"] for row in table[:6]] == ["True"] * 4 + ["False"] * 2
    assert table[0]["probe_linear_r2"] == "0.6"
    assert table[0]["effective_rank"] == ""
    assert {row["why"] for row in table} >= {"The disk is full.", ""}

    page = write(made, rows, COLUMNS, "lewm-probe sweep s.yaml", 3.0)
    text = page.read_text()
    assert "| 0.09 (base) | 0.650 ± 0.0707 | – | – | – | – |  |" in text
    assert "| 5 | – | – | – | – | – | seed 1 diverged, seed 2 trained |" in text
    assert "- knots 5, seed 1: diverged. 'loss' is nan at step 3." in text
    assert "Paper, Fig 15: hardly matter" in text
    for suffix in ("png", "pdf", "svg"):
        assert (tmp_path / f"sweep.{suffix}").stat().st_size > 1000
    told = json.loads((tmp_path / "sweep.json").read_text())
    assert told["provenance"]["command"] == "lewm-probe sweep s.yaml"
    assert [column["name"] for column in told["columns"]] == [c.name for c in COLUMNS]
    assert len(told["rows"]) == 10
    assert markdown(made, rows, COLUMNS, "c", "h", 1.0) == markdown(
        made, rows, COLUMNS, "c", "h", 1.0
    )


def test_columns_are_read_of_the_last_step_and_the_model_itself() -> None:
    from lewm_probe.analyses.engine.asked.suite import Suite
    from lewm_probe.core.resources import find_suite

    path = find_suite("two-room")
    suite = load_yaml(path, Suite, "suite")
    asked = suite_for(yaml.safe_load(path.read_text()), suite)
    small = parse(asked, Suite, "suite")
    assert [c.name for c in small.voe.conditions] == ["teleport_agent"]
    assert (small.probe.quantities, small.probe.controls) == (("agent_position",), ())
    assert small.rollout.horizons == (5,)
    assert small.statistics.confirmatory == ()

    keys: dict[str, Any] = {"model": "m", "family": "lewm", "world": "two-room", "train_seed": 1}
    rank = {**keys, "analysis": "geometry", "metric": "effective_rank", "features": "z"}
    probe = {**keys, "analysis": "probe", "metric": "r2", "features": "z", "method": "linear"}
    metrics = [
        Metric(**rank, step=200, value=30.0),
        Metric(**rank, step=0, value=3.0),
        Metric(**rank, step=200, control="random_weights", value=9.0),
        Metric(**probe, step=200, subject="agent_position", value=0.9),
        Metric(**probe, step=200, subject="goal_position", value=0.1),
    ]
    assert read(COLUMNS, metrics, small) == {1: {"effective_rank": 30.0, "probe_linear_r2": 0.9}}


def test_what_was_asked_is_read_back_as_it_was(tmp_path: Path) -> None:
    """A label that looks like a number is one of the words that YAML would take for it."""
    made = made_of(SMALL, tmp_path)
    made.remember()
    check_same(made_of(SMALL, tmp_path))
    more = changed()
    more["axes"][1]["cells"].append({"label": "33", "set": {"objective.knots": 33}})
    check_same(made_of(more, tmp_path))  # cells may come
    with pytest.raises(UsageError) as caught:
        check_same(made_of(SMALL, tmp_path, trajectories=20))
    assert str(caught.value) == (
        f"The sweep in {tmp_path} began with other settings: 'trajectories' was 50, and is 20 now. "
        f"Go on with what {tmp_path}/sweep.yaml says, or choose another folder with --out."
    )
    assert yaml.safe_load(as_yaml({"a": "1e30"})) == {"a": "1e30"}


def test_short_trainings_say_so(tmp_path: Path) -> None:
    made = made_of(SMALL, tmp_path, steps=10)
    assert made.base.name == "two-room/lewm-cpu (fast)"
    assert made.shortened == (
        "Trainings were shortened to 10 steps: a quick look, not numbers to publish."
    )
    assert made.shortened in markdown(made, [], COLUMNS, "c", "h", 1.0)


CELLS = SMALL["axes"][1]["cells"]


def axis(**parts: Any) -> dict[str, Any]:
    return changed(axes=[{**SMALL["axes"][1], **parts}])


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (
            changed(axis=[]),
            "sweep s.yaml has an unknown key 'axis'. Did you mean 'axes'? Known keys there: axes, "
            "base, name, seeds, set, trajectories.",
        ),
        (
            changed(seeds=[1, 1]),
            "sweep s.yaml: 'seeds' is [1, 1]. a seed stands twice; a run of the same recipe and "
            "seed is the same. Fix this value.",
        ),
        (
            axis(cells=[*CELLS, {"label": "again"}]),
            "The axis 'knots' has 2 cells that change nothing, but exactly one is needed: where "
            "the base stands on it. Leave 'set' out of that one alone.",
        ),
        (
            axis(cells=[*CELLS, CELLS[0]]),
            "The axis 'knots' has two cells labelled '5'. Give each a label of its own.",
        ),
        (
            axis(cells=[{"label": "17"}, {"label": "5", "set": {"objective.knot": 5}}]),
            "The cell '5' of the axis 'knots': The recipe with its overrides has an unknown key "
            "'objective.knot'. Did you mean 'knots'? Known keys there: directions, knots, "
            "name, reconstruction_weight, sigreg_weight.",
        ),
        (
            changed(axes=[SMALL["axes"][0], SMALL["axes"][0]]),
            "Two axes are called 'lambda'. Give each a name of its own.",
        ),
    ],
)
def test_a_bad_sweep_is_told(tmp_path: Path, raw: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        made_of(raw, tmp_path)
    assert str(caught.value) == message


def test_an_unknown_sweep_is_told() -> None:
    with pytest.raises(UsageError) as caught:
        load_sweep("two-room-ablation")
    assert str(caught.value) == (
        "Unknown sweep 'two-room-ablation'. Did you mean 'two-room-ablations'? Known: "
        "two-room-ablations."
    )
