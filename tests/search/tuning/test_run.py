"""Whole searches with made-up trainings: what they find, cost, say, and do not repeat."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from lewm_probe.core.errors import UsageError, UserError
from lewm_probe.search.tuning.bisection import most_trials
from lewm_probe.search.tuning.costs import costs
from lewm_probe.search.tuning.page import markdown, write
from lewm_probe.search.tuning.record import Record

from .conftest import KEY, Laboratory


def test_the_smallest_safe_value_then_the_best_above_it(laboratory: Laboratory) -> None:
    found = laboratory.search()
    made = found.made
    assert made.bound == 64
    assert found.threshold is not None and found.safe is not None and found.best is not None
    assert found.threshold.fails is not None and found.threshold.passes is not None
    assert found.threshold.fails < 0.01 <= found.threshold.passes
    assert found.threshold.passes / found.threshold.fails < made.tune.tolerance
    assert found.safe == (found.threshold.passes, made.tune.high)
    assert len(found.stages["bisection"]) <= most_trials(len(made.points)) == 5
    assert 0.1 / 1.5 < found.best.value(KEY) < 0.1 * 1.5
    assert len(found.trials) <= made.tune.trials
    assert len(found.trials) == sum(len(batch) for batch in laboratory.batches)
    assert [trial.number for trial in found.trials] == list(range(1, len(found.trials) + 1))
    assert found.said == [
        "One training a value: how much seeds alone would move ranks and scores is not known. "
        "Give --seeds to know."
    ]


def test_without_a_bound_it_is_half_of_the_width(laboratory: Laboratory) -> None:
    made = laboratory.made("two-room/lewm-vit-cpu", rank=None)
    assert made.recipe.model.latent_width == 64
    assert made.bound == 32


def test_seeds_of_a_value_and_the_first_two_of_a_section_train_side_by_side(
    laboratory: Laboratory,
) -> None:
    found = laboratory.search(seeds=(1, 2))
    bisected = len(found.stages["bisection"])
    assert [len(batch) for batch in laboratory.batches[:bisected]] == [2] * bisected
    assert len(laboratory.batches[bisected]) == 4


def test_it_can_be_killed_and_repeats_nothing(laboratory: Laboratory, tmp_path: Path) -> None:
    whole = Laboratory(tmp_path / "whole").search(seeds=(1, 2))
    laboratory.stop_at = 6
    with pytest.raises(KeyboardInterrupt):
        laboratory.search(seeds=(1, 2))
    first = sum(len(batch) for batch in laboratory.batches[:-1])
    laboratory.stop_at = None
    del laboratory.batches[-1]
    found = laboratory.search(seeds=(1, 2))
    trained = [name for batch in laboratory.batches for name in batch]
    assert len(trained) == len(set(trained)) == 2 * len(found.trials) > first == 6
    assert [t.settings for t in found.trials] == [t.settings for t in whole.trials]
    assert found.best == whole.best
    laboratory.batches.clear()
    assert laboratory.search(seeds=(1, 2)).trials == found.trials
    assert laboratory.batches == []


def test_another_score_of_trained_models_trains_nothing(laboratory: Laboratory) -> None:
    first = laboratory.search(score="rollout")
    known = {name for batch in laboratory.batches for name in batch}
    laboratory.batches.clear()
    laboratory.score = lambda value, seed: -abs(math.log(value / 0.1))
    again = laboratory.search(score="probe")
    assert again.best is not None and first.best is not None
    assert again.best.settings == first.best.settings
    assert {name for batch in laboratory.batches for name in batch} == known  # read back only
    lines = Record(laboratory.folder).lines
    assert all(set(line.scores) == {"rollout", "probe"} for line in lines)


def test_what_diverges_counts_as_too_large(laboratory: Laboratory) -> None:
    laboratory.rank = lambda value, seed: math.nan if value > 1 else 100.0 if value > 0.2 else 3.0
    laboratory.score = lambda value, seed: 1 / value
    found = laboratory.search()
    assert found.threshold is not None and found.threshold.passes is not None
    assert 0.2 < found.threshold.passes < 0.2 * 1.5
    assert found.safe is not None and found.safe[1] <= 1
    assert found.best is not None and found.best.value(KEY) <= 1
    diverged = [trial for trial in found.trials if trial.status == "diverged"]
    assert diverged
    assert all(trial.lines[0].why == "'loss' is nan at step 3." for trial in diverged)
    least = min(diverged, key=lambda trial: trial.value(KEY)).value(KEY)
    assert any(s.startswith(f"Not monotone: {least:g} diverged, though") for s in found.said)


def test_what_is_not_monotone_is_told_and_not_chosen(laboratory: Laboratory) -> None:
    laboratory.rank = lambda value, seed: 10.0 if value < 0.01 or 0.5 < value < 2 else 100.0
    laboratory.score = lambda value, seed: abs(math.log(value / 1.0))
    found = laboratory.search()
    (told,) = [s for s in found.said if s.startswith("Not monotone")][:1]
    failing = min(
        t.value(KEY) for t in found.trials if t.value(KEY) > 0.02 and not t.passes(found.made.bound)
    )
    assert 0.5 < failing < 2
    assert told.startswith(f"Not monotone: {failing:g} fails (rank 10.0), though ")
    assert told.endswith(
        "(rank 100.0). Ranks were assumed to grow with the value; what fails is not chosen, and "
        "the safe range ends below the smallest value that fails above it."
    )
    assert found.safe is not None and found.best is not None
    assert found.safe[1] < failing
    assert found.best.passes(found.made.bound)


def test_nothing_passes(laboratory: Laboratory) -> None:
    laboratory.rank = lambda value, seed: 2.0
    found = laboratory.search()
    assert (found.safe, found.best, found.valley) == (None, None, None)
    assert found.said[0] == (
        "No value up to 10 reaches the rank of 64: the largest tried fails. Raise --high, lower "
        "--rank, or train for longer."
    )
    write(found, laboratory.folder, "lewm-probe tune", 1.0, ())


def test_noise_between_seeds_stops_the_section(laboratory: Laboratory) -> None:
    laboratory.score = lambda value, seed: (-1) ** seed * math.sin(997 * math.log(value))
    found = laboratory.search(seeds=(1, 2))
    assert found.valley is not None and found.valley.ended == "noise"
    assert len(found.stages["golden section"]) == 2
    assert any(
        s.startswith("The golden section stopped between ") and s.endswith("more than is sought.")
        for s in found.said
    )


def test_seeds_on_both_sides_of_the_bound_are_told(laboratory: Laboratory) -> None:
    laboratory.rank = lambda value, seed: 100 if value > 0.05 else 70 if seed == 1 else 40
    found = laboratory.search(seeds=(1, 2))
    assert any(
        s.endswith("ranks from 40.0 to 70.0 on both sides of 64. Their mean decides.")
        and s.startswith("Seeds disagree at ")
        for s in found.said
    )


def test_costs_beside_a_grid(laboratory: Laboratory) -> None:
    found = laboratory.search(grid=30)
    told = {cost.way: cost for cost in costs(found, ["grid"])}
    own = told["both together"]
    assert own.trainings == len(found.own)
    assert own.seconds == pytest.approx(own.trainings * 100.0)  # 900 steps of 512 at 4,608 a second
    assert told["grid of 30 over the same range"].trainings == 30
    assert told["grid of 30, the same resolution"].trainings == 30
    assert told["grid of 30, the same resolution"].counted
    assert own.trainings < 15
    trained = [name for batch in laboratory.batches for name in batch]
    assert len(trained) == len(set(trained)) < 30 + own.trainings  # bisection's are on the grid


def test_optuna_searches_six_weights_and_goes_on(laboratory: Laboratory, tmp_path: Path) -> None:
    given = {"recipe": "two-room/pldm-cpu", "search": "optuna", "trials": 8}
    laboratory.rank = lambda value, seed: 100.0 if value > 0.1 else 3.0
    laboratory.score = lambda value, seed: abs(math.log(value / 18.0))
    whole = Laboratory(tmp_path / "whole", laboratory.rank, laboratory.score).search(**given)
    assert [len(trial.settings) for trial in whole.trials] == [6] * 8
    values = [v for trial in whole.trials for v in trial.settings.values()]
    assert 0.01 <= min(values) < 0.2 and 5 < max(values) <= 100
    assert whole.best is not None
    assert whole.best.passes(64)
    laboratory.stop_at = 3
    with pytest.raises(KeyboardInterrupt):
        laboratory.search(**given)
    laboratory.stop_at = None
    assert [t.settings for t in laboratory.search(**given).trials] == [
        t.settings for t in whole.trials
    ]
    page = write(whole, tmp_path, "lewm-probe tune", 1.0, ())
    assert "6 weights" not in page.read_text()
    assert not (tmp_path / "curve.png").exists()


def test_a_training_that_fails_is_told_and_tried_again(laboratory: Laboratory) -> None:
    made = laboratory.made()
    first = made.points[len(made.points) // 2 - 1]
    name = f"sigreg_weight {first:g}, seed 1"
    laboratory.fails = {name}
    with pytest.raises(UserError) as caught:
        laboratory.search()
    assert str(caught.value) == (
        f"1 of 1 runs failed. {name}: The disk is full. The same command tries again."
    )
    (line,) = Record(laboratory.folder).lines
    assert (line.status, line.why, line.rank) == ("failed", "The disk is full.", None)
    laboratory.fails = set()
    laboratory.search()
    assert {line.status for line in Record(laboratory.folder).lines} == {"done"}


def test_what_is_written(laboratory: Laboratory) -> None:
    found = laboratory.search(seeds=(1, 2), grid=4)
    page = write(found, laboratory.folder, "lewm-probe tune x", 12.0, ["grid"])
    text = page.read_text()
    assert "![Rank and score against the value](curve.png)" in text
    for suffix in ("png", "pdf", "svg"):
        assert (laboratory.folder / f"curve.{suffix}").stat().st_size > 1000
    told = json.loads((laboratory.folder / "tune.json").read_text())
    assert told["provenance"]["command"] == "lewm-probe tune x"
    assert told["provenance"]["seeds"] == {"training 1": 1, "training 2": 2}
    assert told["provenance"]["packages"]["torch"]
    assert told["best"]["settings"] == dict(found.best.settings)  # type: ignore[union-attr]
    assert [trial["trial"] for trial in told["trials"]] == [t.number for t in found.trials]
    assert told["trials"][0]["rank_sd"] == 0
    assert {line["seed"] for line in told["trials"][0]["seeds"]} == {1, 2}
    again = markdown(found, [], "c", "h", 1.0, False)
    assert again == markdown(found, [], "c", "h", 1.0, False)


def test_shortened_trainings_say_so(laboratory: Laboratory) -> None:
    found = laboratory.search(steps=90)
    assert found.made.recipe.name == "two-room/lewm-cpu (fast)"
    assert found.made.recipe.steps == 90
    assert found.said[0] == (
        "Trainings were shortened to 90 steps (the recipe: 900): a quick look. What is best after "
        "few steps need not be so after many."
    )
    assert found.said[0] in write(found, laboratory.folder, "c", 1.0, ()).read_text()


def test_the_folder_is_of_one_kind_of_training(laboratory: Laboratory) -> None:
    laboratory.search()
    laboratory.search(rank=30.0, seeds=(1, 2), trials=20)  # asked otherwise: the same trainings
    with pytest.raises(UsageError) as caught:
        laboratory.search(set=("optimizer.batch=64",))
    assert str(caught.value) == (
        f"The search in {laboratory.folder} trains otherwise: 'set' was not given, and is "
        f"optimizer.batch=64 now. Go on with what {laboratory.folder}/tune.yaml says, or choose "
        "another folder with --out."
    )


def test_a_record_that_was_cut_short_is_told(laboratory: Laboratory) -> None:
    laboratory.search()
    path = laboratory.folder / "trials.jsonl"
    lines = path.read_text().splitlines()
    path.write_text(lines[0] + "\n" + lines[1][:20])
    with pytest.raises(UserError) as caught:
        Record(laboratory.folder)
    assert str(caught.value) == (
        f"Line 2 of {path} is not JSON. It was changed or cut short; remove it, and the same "
        "command measures that training again from its run folder."
    )
