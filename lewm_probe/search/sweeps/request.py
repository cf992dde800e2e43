"""A sweep with its recipes read: every cell a recipe, every seed of it a run."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from lewm_probe.core.config import Config, as_yaml, load_yaml
from lewm_probe.core.errors import UsageError
from lewm_probe.core.files import safe_name, write_text
from lewm_probe.search.sweeps.file import Axis, Cell, SweepFile, as_overrides
from lewm_probe.search.training import Run
from lewm_probe.training.recipe import Recipe, expectations, load_recipe, override
from lewm_probe.training.short import is_shortened, shortened, with_steps

BASE = "base"
"""The cell that all axes share."""


class Asked(Config):
    """What was asked, kept in ``sweep.yaml``."""

    sweep: SweepFile
    seeds: tuple[int, ...]
    set: tuple[str, ...] = ()
    data: str | None = None
    trajectories: int
    steps: int | None = None
    fast: bool = False


@dataclass(frozen=True)
class Trained:
    """A recipe that cells stand for.

    Attributes:
        name: of the model in tables: ``base``, or axis and label of its first cell.
        recipe: of the first seed.
        runs: one a seed.
    """

    name: str
    recipe: Recipe
    runs: tuple[Run, ...]


@dataclass(frozen=True)
class Sweep:
    """A sweep with its recipes read.

    Attributes:
        asked: by the user.
        folder: where everything of it lies.
        data: the data set.
        base: the recipe that all cells change.
        models: name → recipe and runs, the base first; recipes that are equal are one.
        places: (axis, cell) → name of its model.
    """

    asked: Asked
    folder: Path
    data: Path
    base: Recipe
    models: dict[str, Trained] = field(default_factory=dict)
    places: dict[tuple[str, str], str] = field(default_factory=dict)

    @property
    def runs(self) -> list[Run]:
        """All runs: of the first seed those of every cell, then of the next."""
        return [
            trained.runs[k]
            for k in range(len(self.asked.seeds))
            for trained in self.models.values()
        ]

    @property
    def file(self) -> Path:
        """What was asked."""
        return self.folder / "sweep.yaml"

    @property
    def shortened(self) -> str | None:
        """What a reader must know first, if trainings are shorter than the sweep says."""
        if not is_shortened(self.base.name):
            return None
        steps = "few" if self.base.steps is None else f"{self.base.steps:,}"
        return f"Trainings were shortened to {steps} steps: a quick look, not numbers to publish."

    def remember(self) -> None:
        """Keep what is asked.

        Raises:
            UsageError: the folder holds another sweep.
        """
        check_same(self)
        if not self.file.is_file():
            write_text(self.file, as_yaml(self.asked.model_dump(mode="json")))


def check_same(made: Sweep) -> None:
    """Refuse to go on with a sweep that began otherwise; new axes and cells may come.

    Raises:
        UsageError: says which setting differs.
    """
    if not made.file.is_file():
        return
    began = load_yaml(made.file, Asked, "sweep").model_dump(mode="json")
    now = made.asked.model_dump(mode="json")
    for part, there, here in [
        *((key, began[key], now[key]) for key in began if key != "sweep"),
        *((f"sweep.{k}", began["sweep"][k], now["sweep"][k]) for k in ("name", "base", "set")),
    ]:
        if there != here:
            raise UsageError(
                f"The sweep in {made.folder} began with other settings: '{part}' was {there}, and "
                f"is {here} now. Go on with what {made.file} says, or choose another folder with "
                "--out."
            )


def make_sweep(asked: Asked, folder: Path, data: Path) -> Sweep:
    """Read the recipes of all cells.

    Raises:
        UsageError: no such recipe, or a cell whose changes it refuses; says which.
    """
    file = asked.sweep
    whole = load_recipe(file.base)
    base = override(whole, as_overrides(file.set)) if file.set else whole
    if asked.set:
        base = override(base, asked.set)
    if asked.steps is not None:
        base = with_steps(base, asked.steps)
    if asked.fast:
        base = shortened(base, whole, expectations(file.base))
    base = override(base, [f"seed={asked.seeds[0]}"])
    made = Sweep(asked, folder, data, base)
    known = {base.model_dump_json(): BASE}
    made.models[BASE] = _trained(BASE, base, made)
    for axis in file.axes:
        for cell in axis.cells:
            recipe = _recipe(base, axis, cell)
            name = known.setdefault(recipe.model_dump_json(), f"{axis.name} {cell.label}")
            made.places[axis.name, cell.label] = name
            if name not in made.models:
                made.models[name] = _trained(name, recipe, made)
    return made


def _recipe(base: Recipe, axis: Axis, cell: Cell) -> Recipe:
    try:
        return override(base, as_overrides(cell.set)) if cell.set else base
    except UsageError as error:
        raise UsageError(f"The cell '{cell.label}' of the axis '{axis.name}': {error}") from error


def _trained(name: str, recipe: Recipe, made: Sweep) -> Trained:
    folder = made.folder / "runs" / safe_name(name.replace(" ", "-"))
    runs = tuple(
        Run(
            f"{name}, seed {seed}",
            override(recipe, [f"seed={seed}"]),
            made.data,
            folder / f"seed-{seed}",
        )
        for seed in made.asked.seeds
    )
    return Trained(name, recipe, runs)
