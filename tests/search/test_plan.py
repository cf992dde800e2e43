"""What a study takes, from figures that a reader can check by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from lewm_probe.core.errors import UsageError
from lewm_probe.search.plan import run_megabytes, run_minutes
from lewm_probe.training.recipe import load_recipe, override
from lewm_probe.training.run.state import RESUME_NAME
from lewm_probe.training.short import FAST_STEPS, is_shortened, shortened, with_steps
from lewm_probe.training.size import parameters

CPU = "two-room/lewm-cpu"


def test_minutes_follow_the_steps() -> None:
    recipe = load_recipe(CPU)
    whole = run_minutes(recipe, CPU)
    assert whole == 3.5
    assert run_minutes(override(recipe, ["optimizer.steps_per_epoch=50"]), CPU) == pytest.approx(
        whole / 3
    )
    assert run_minutes(override(recipe, ["optimizer.batch=64"]), CPU) == pytest.approx(whole / 2)
    assert run_minutes(load_recipe("two-room/lewm"), "two-room/lewm") is None


def test_what_a_run_takes_on_disk_is_never_more_than_planned(tmp_path: Path) -> None:
    """A real run of four epochs, its checkpoints and one state."""
    from lewm_probe.data.collect import collect
    from lewm_probe.training.loop import train

    collect("two-room", 8, tmp_path / "data.h5", size=16, length=25)
    tiny = ["model.image_size=16", "optimizer.batch=4", "optimizer.epochs=4"]
    small = ["data.validation_fraction=0.25", "optimizer.steps_per_epoch=1"]
    recipe = load_recipe(CPU, [*tiny, *small, "resume_every_steps=1"])
    most = 0.0

    def measure(record: object) -> None:
        nonlocal most
        most = max(most, sum(p.stat().st_size for p in folder.rglob("*") if p.is_file()))

    folder = tmp_path / "run"
    train(recipe, tmp_path / "data.h5", folder, device="cpu", on_log=measure)
    measure(None)
    assert (folder / RESUME_NAME).is_file() is False
    assert 0.4 * run_megabytes(recipe) < most / 1e6 < run_megabytes(recipe)


def test_parameters_are_those_of_the_paper() -> None:
    assert parameters(load_recipe("two-room/lewm")) == 18_034_478


def test_a_short_run_keeps_all_but_its_steps_and_its_name() -> None:
    recipe = load_recipe(CPU)
    quick = shortened(recipe, recipe, None)
    assert quick.name == "two-room/lewm-cpu (fast)"
    assert is_shortened(quick.name)
    assert quick.steps == FAST_STEPS
    rest = {"name", "optimizer"}
    assert quick.model_dump(exclude=rest) == recipe.model_dump(exclude=rest)
    assert quick.optimizer.batch == recipe.optimizer.batch


def test_a_run_that_is_short_already_only_gets_the_name() -> None:
    whole = load_recipe(CPU)
    recipe = override(whole, ["optimizer.epochs=2", "optimizer.steps_per_epoch=5"])
    quick = shortened(recipe, whole, None)
    assert quick.model_dump(exclude={"name"}) == recipe.model_dump(exclude={"name"})


def test_so_many_steps_at_the_most() -> None:
    recipe = load_recipe(CPU)
    short = with_steps(recipe, 100)
    assert (short.name, short.steps, short.optimizer.epochs) == ("two-room/lewm-cpu (fast)", 99, 3)
    assert with_steps(recipe, 2).steps == 2
    assert with_steps(recipe, 900) == recipe
    with pytest.raises(UsageError) as caught:
        with_steps(recipe, 0)
    assert str(caught.value) == "--steps is 0; expected a whole number from 1 up."
