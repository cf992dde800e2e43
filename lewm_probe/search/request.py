"""What a study is: which recipes, which seeds, where everything lies, and what it began with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from lewm_probe.core.addresses.address import place
from lewm_probe.core.config import Config, load_yaml
from lewm_probe.core.errors import UsageError, unknown_name
from lewm_probe.core.files import write_text
from lewm_probe.core.resources import recipe_names
from lewm_probe.search.seeds import seeds_text
from lewm_probe.search.training import Run
from lewm_probe.training.recipe import Recipe, expectations, load_recipe, override
from lewm_probe.training.short import shortened


class Asked(Config):
    """What was asked of a study, kept in ``study.yaml``."""

    world: str
    recipes: dict[str, str]
    """Name of a model in the report → name or path of its recipe."""
    seeds: tuple[int, ...]
    set: tuple[str, ...] = ()
    data: str | None = None
    trajectories: int | None = None
    fast: bool = False


@dataclass(frozen=True)
class Study:
    """A study with its recipes read.

    Attributes:
        asked: by the user.
        folder: where everything of it lies.
        recipes: name of a model → its recipe, with the overrides, of the first seed.
        title: of the report.
    """

    asked: Asked
    folder: Path
    recipes: Mapping[str, Recipe] = field(default_factory=dict)
    title: str | None = None

    @property
    def data(self) -> Path:
        """The data set: given, or collected here."""
        return self.folder / "data.h5" if self.asked.data is None else place(self.asked.data)

    @property
    def latents(self) -> Path:
        """The latent cache."""
        return self.folder / "latents"

    @property
    def audit(self) -> Path:
        """Where the results and the report go."""
        return self.folder / "audit"

    @property
    def file(self) -> Path:
        """What was asked."""
        return self.folder / "study.yaml"

    @property
    def runs(self) -> list[Run]:
        """All runs: the families in turn, seed by seed, so that a part of them can be compared."""
        return [
            Run(
                f"{name}-{seed}",
                override(recipe, [f"seed={seed}"]),
                self.data,
                self.folder / "training" / f"{name}-{seed}",
            )
            for seed in self.asked.seeds
            for name, recipe in self.recipes.items()
        ]

    def checkpoint(self, run: Run) -> str:
        """A run as an argument of an analysis: its seeds go by one name."""
        name = run.name.rpartition("-")[0]
        return f"{name}={run.folder}"

    def remember(self) -> None:
        """Keep what was asked.

        Raises:
            UsageError: the folder holds a study of other settings; says which differ.
        """
        check_same(self)
        if not self.file.is_file():
            text = yaml.safe_dump(self.asked.model_dump(mode="json"), sort_keys=False)
            write_text(self.file, text)


def check_same(study: Study) -> None:
    """Refuse to go on with a study that began with other settings.

    Raises:
        UsageError: says which setting differs, what it was and what it is.
    """
    if not study.file.is_file():
        return
    began = load_yaml(study.file, Asked, "study").model_dump()
    for key, now in study.asked.model_dump().items():
        if began[key] != now:
            raise UsageError(
                f"The study in {study.folder} began with other settings: '{key}' was "
                f"{_shown(key, began[key])}, and is {_shown(key, now)} now. Go on with what "
                f"{study.file} says, or choose another folder with --out."
            )


def _shown(key: str, value: Any) -> str:
    if key == "seeds":
        return seeds_text(value)
    if isinstance(value, Mapping):
        return ", ".join(f"{name} ({recipe})" for name, recipe in value.items())
    if isinstance(value, list | tuple):
        return " ".join(map(str, value)) or "not given"
    return "not given" if value is None else str(value)


def make_study(
    asked: Asked, folder: Path, *, title: str | None = None, own_data: bool = True
) -> Study:
    """Read the recipes of a study.

    Args:
        asked: by the user.
        folder: where everything of it lies.
        title: of the report.
        own_data: whether its data set is collected; then all recipes must ask for the same.

    Raises:
        UsageError: no such recipe, one of another world, or recipes that ask for different data.
    """
    recipes: dict[str, Recipe] = {}
    for name, path in asked.recipes.items():
        whole = load_recipe(path)
        recipe = override(whole, asked.set) if asked.set else whole
        if recipe.world != asked.world:
            raise UsageError(
                f"The recipe {path} is of the world {recipe.world}, but the study is of "
                f"{asked.world}. Choose recipes of one world."
            )
        if asked.fast:
            recipe = shortened(recipe, whole, expectations(path))
        recipes[name] = override(recipe, [f"seed={asked.seeds[0]}"])
    if own_data:
        _check_one_data_set(recipes)
    return Study(asked, folder, recipes, title)


def _check_one_data_set(recipes: Mapping[str, Recipe]) -> None:
    (first, its), *others = recipes.items()
    wanted = its.data.collect.model_dump()
    for name, recipe in others:
        for key, value in recipe.data.collect.model_dump().items():
            if value != wanted[key]:
                raise UsageError(
                    f"{first} and {name} ask for different data sets: 'data.collect.{key}' is "
                    f"{wanted[key]} for the one and {value} for the other. Make them the same with "
                    f"--set data.collect.{key}=…, or give a data set with --data."
                )


def family_recipes(world: str, families: Sequence[str], gpu: bool) -> dict[str, str]:
    """The shipped recipes of some families: the small ones where there is no GPU.

    Raises:
        UsageError: no recipe of that family in that world, or one family twice.
    """
    known, ending = recipe_names(), "" if gpu else "-cpu"
    own = [name.removeprefix(f"{world}/") for name in known if name.startswith(f"{world}/")]
    if not own:
        raise unknown_name("world", world, {name.partition("/")[0] for name in known})
    at_hand = [name.removesuffix(ending) for name in own if name.endswith("-cpu") != gpu]
    found: dict[str, str] = {}
    for family in families:
        if family not in at_hand:
            raise unknown_name("family", family, at_hand)
        found[_once(family, found, "--families")] = f"{world}/{family}{ending}"
    return found


def named_recipes(paths: Sequence[str]) -> dict[str, str]:
    """Recipes by the last part of their names, as models are called in the report.

    Raises:
        UsageError: two of one name.
    """
    found: dict[str, str] = {}
    for path in paths:
        name = Path(path).name.removesuffix(".yaml")
        found[_once(name, found, "--recipes")] = path
    return found


def _once(name: str, found: Mapping[str, str], option: str) -> str:
    if name in found:
        raise UsageError(
            f"{option} names {name} twice. Name each once; two recipes of one file name need other "
            "file names, as models are called so in the report."
        )
    return name
