"""What a search is asked: which recipe, which number of it, in which range, and what is good."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from lewm_probe.core.config import Config, as_yaml, load_yaml
from lewm_probe.core.errors import UsageError, unknown_name
from lewm_probe.core.files import write_text
from lewm_probe.search.seeds import seeds_text
from lewm_probe.search.tuning.bisection import log_grid, rounded
from lewm_probe.training.recipe import Recipe, Tune, expectations, load_recipe, override, tuning
from lewm_probe.training.short import is_shortened, shortened, with_steps

Search = Literal["bisection", "optuna"]


class Asked(Config):
    """What was asked, kept in ``tune.yaml``.

    Every training is remembered by its setting, so that range, bound, tolerance, score, seeds and
    number of trials may be asked otherwise in the same folder; what is trained may not.
    """

    recipe: str
    search: Search = "bisection"
    tune: Tune = Tune()
    keys: tuple[str, ...]
    """What is searched for: one key, or for ``optuna`` the weights of the objective."""
    seeds: tuple[int, ...]
    set: tuple[str, ...] = ()
    data: str | None = None
    steps: int | None = None
    fast: bool = False
    grid: int | None = None


TRAINED = ("recipe", "set", "data", "steps", "fast")
"""Keys of ``Asked`` that say what a training of a setting is."""


@dataclass(frozen=True)
class Tuning:
    """A search with its recipe read.

    Attributes:
        asked: by the user.
        folder: where everything of it lies.
        recipe: as it is trained, but for the settings and the seed.
        whole: optimiser steps of the recipe as its file has it; None: by the data set's size.
        data: the data set.
        bound: that the rank has to reach.
    """

    asked: Asked
    folder: Path
    recipe: Recipe
    whole: int | None
    data: Path
    bound: float

    @property
    def tune(self) -> Tune:
        """The section, with what the command line says."""
        return self.asked.tune

    @property
    def file(self) -> Path:
        """What was asked."""
        return self.folder / "tune.yaml"

    @property
    def points(self) -> list[float]:
        """The scale of the bisection."""
        return log_grid(self.tune.low, self.tune.high, self.tune.tolerance)

    @property
    def shortened(self) -> str | None:
        """What a reader must know first, if trainings are shorter than the recipe says."""
        if not is_shortened(self.recipe.name):
            return None
        steps = "few" if self.recipe.steps is None else f"{self.recipe.steps:,}"
        whole = "as many as its data give" if self.whole is None else f"{self.whole:,}"
        return (
            f"Trainings were shortened to {steps} steps (the recipe: {whole}): a quick look. What "
            "is best after few steps need not be so after many."
        )

    def remember(self) -> None:
        """Keep what is asked.

        Raises:
            UsageError: the folder holds a search of other trainings.
        """
        check_same(self)
        text = as_yaml(self.asked.model_dump(mode="json"))
        if not self.file.is_file() or self.file.read_text(encoding="utf-8") != text:
            write_text(self.file, text)


def check_same(made: Tuning) -> None:
    """Refuse a folder whose trainings are others.

    Raises:
        UsageError: says what differs, what it was and what it is.
    """
    if not made.file.is_file():
        return
    began = load_yaml(made.file, Asked, "search").model_dump()
    for key, now in made.asked.model_dump().items():
        if key in TRAINED and began[key] != now:
            raise UsageError(
                f"The search in {made.folder} trains otherwise: '{key}' was {_shown(began[key])}, "
                f"and is {_shown(now)} now. Go on with what {made.file} says, or choose another "
                "folder with --out."
            )


def _shown(value: Any) -> str:
    if isinstance(value, list | tuple):
        return " ".join(map(str, value)) or "not given"
    return "not given" if value is None else str(value)


def weights_of(recipe: Recipe) -> list[str]:
    """Keys of all weights of a recipe's objective.

    >>> len(weights_of(load_recipe("two-room/pldm-cpu")))
    6
    """
    return [f"objective.{key}" for key in recipe.objective.model_dump() if key.endswith("_weight")]


def number_at(recipe: Recipe, key: str) -> float:
    """The number that a dotted key of a recipe holds.

    Raises:
        UsageError: there is no such key, or it holds no number.
    """
    node: Any = recipe.model_dump(mode="json")
    for part in key.split("."):
        if not isinstance(node, dict) or part not in node:
            numbers = _numbers(recipe.model_dump(mode="json"))
            objective = [name for name in numbers if name.startswith("objective.")]
            why = unknown_name(
                "number", key, objective if key.startswith("objective.") else numbers
            )
            raise UsageError(
                f"The recipe {recipe.name} has no number '{key}' to search for, which --key or its "
                f"section 'tune' names. {why} Weights of an objective are searched for together "
                "with --search optuna."
            )
        node = node[part]
    if isinstance(node, bool) or not isinstance(node, int | float):
        raise UsageError(
            f"'{key}' of the recipe {recipe.name} is {node!r}, which is no number to search for. "
            "Name one with --key, e.g. --key objective.sigreg_weight."
        )
    return float(node)


def _numbers(node: Any, prefix: str = "") -> list[str]:
    if isinstance(node, dict):
        return [name for key, one in node.items() for name in _numbers(one, f"{prefix}{key}.")]
    number = isinstance(node, int | float) and not isinstance(node, bool)
    return [prefix.rstrip(".")] if number else []


def make_tuning(asked: Asked, folder: Path, data: Path) -> Tuning:
    """Read the recipe of a search and check what is asked of it.

    Raises:
        UsageError: no such recipe, key or score, or a value that the recipe refuses.
    """
    from lewm_probe.search.tuning.scores import SCORES

    SCORES.get(asked.tune.score)
    whole = load_recipe(asked.recipe)
    recipe = override(whole, asked.set) if asked.set else whole
    if asked.steps is not None:
        recipe = with_steps(recipe, asked.steps)
    if asked.fast:
        recipe = shortened(recipe, whole, expectations(asked.recipe))
    for key in asked.keys:
        number_at(recipe, key)
        for value in (asked.tune.low, asked.tune.high):
            override(recipe, [f"{key}={rounded(value)!r}"])
    width = getattr(recipe.model, "latent_width", None)
    bound = asked.tune.rank
    if bound is None and width is not None:
        bound = width / 2
    if bound is None:
        raise UsageError(
            f"The recipe {recipe.name} does not say how wide its latents are, so that half of it "
            "is no bound. Give one with --rank, or as 'rank' in its section 'tune'."
        )
    if width is not None and bound > width:
        raise UsageError(
            f"The rank is to reach {bound:g}, but latents of {recipe.name} are {width} wide. Give "
            "a smaller bound with --rank, or in the recipe's section 'tune'."
        )
    return Tuning(asked, folder, recipe, whole.steps, data, bound)


def section(recipe: str, **given: Any) -> Tune:
    """The recipe's section ``tune`` with what the command line says instead; None: nothing.

    Raises:
        UsageError: a value that the section refuses.
    """
    from lewm_probe.core.config import parse

    said = tuning(recipe).model_dump(mode="json")
    changed = {key: value for key, value in given.items() if value is not None}
    return parse({**said, **changed}, Tune, "The search, as asked")


def with_folder(made: Tuning, folder: Path) -> Tuning:
    """The same elsewhere."""
    return replace(made, folder=folder)


def described(made: Tuning) -> str:
    """One line for people: what is searched for, where, and with which seeds."""
    seeds = f"seed {seeds_text(made.asked.seeds)}"
    if made.asked.search == "optuna":
        what = f"{len(made.asked.keys)} weights from {made.tune.low:g} to {made.tune.high:g}"
    else:
        what = f"{made.asked.keys[0]} from {made.tune.low:g} to {made.tune.high:g}"
    return f"{what}, {seeds}, rank at least {made.bound:g} of the latents"
