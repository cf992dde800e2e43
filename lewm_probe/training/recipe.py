"""Recipes: what to train, as closed and typed configuration (``training/<world>/<name>.yaml``).

Defaults are the released LeWM configuration unless a field says otherwise. Within a pair of recipes
only the objective differs.
"""

from __future__ import annotations

import difflib
import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

import yaml
from pydantic import Field, create_model, field_validator, model_validator

from lewm_probe.core.config import Config, Name, Seed, parse, read_yaml, read_yaml_file
from lewm_probe.core.errors import UsageError, short
from lewm_probe.core.resources import find_recipe
from lewm_probe.models.family import FAMILIES


class CollectConfig(Config):
    """The data set this recipe expects, as arguments of ``lewm-probe data collect``."""

    episodes: int = Field(10_000, ge=2)
    mode: Literal["fixed", "goal"] = "goal"
    length: int = Field(101, ge=2)
    policy: Name = "expert"
    size: int = Field(224, ge=8)
    seed: Seed = 0


class DataConfig(Config):
    """Windows: frames × frame-skip raw rows (the frame-skip is the model's)."""

    collect: CollectConfig = CollectConfig()
    frames: int = Field(4, ge=2)
    """Of a window, history + 1 as published. Of a longer one each frame is encoded once for all
    predictions whose history it is in: fewer images are encoded for as many predictions."""
    validation_fraction: float = Field(0.1, gt=0, lt=1)
    """Share of episodes held out (the released 0.9 split is over overlapping clips and leaks)."""
    cache_gb: float = Field(64.0, ge=0)
    """Most that frames of frozen encoders may take on disk (``training/kept.py``), all data sets
    together; 0: they are encoded anew at every step. Of no concern to other families."""


class OptimizerConfig(Config):
    """AdamW with linear warm-up, then a cosine to zero.

    ``accumulate`` exists to be refused: variance, covariance and SIGReg are statistics of the whole
    batch, so the mean of several small batches' losses is a different loss.
    """

    learning_rate: float = Field(5e-5, gt=0)
    weight_decay: float = Field(1e-3, ge=0)
    warmup_fraction: float = Field(0.01, ge=0, lt=1)
    gradient_clip: float = Field(1.0, gt=0)
    batch: int = Field(128, ge=2)
    epochs: int = Field(10, ge=1)
    steps_per_epoch: int | None = Field(None, ge=1)
    """None: every window once. Otherwise so many batches of a fresh permutation."""
    accumulate: int = 1

    @field_validator("accumulate")
    @classmethod
    def _no_accumulation(cls, value: int) -> int:
        if value != 1:
            raise ValueError(
                "Gradient accumulation is refused: the losses are statistics of the whole batch, "
                "which several small batches only approximate. Use a batch that fits"
            )
        return value


class LoggingConfig(Config):
    """How often numbers are written."""

    every_steps: int = Field(10, ge=1)
    tensorboard: bool = False
    validation_batches: int = Field(8, ge=1)
    """Validation windows a check, in batches, the same ones every epoch."""


class Expects(Config):
    """What a run of this recipe takes: for a reader and for plans. No part of a run.

    It stands in the recipe's file only: neither run folders nor checkpoints keep it, and a run may
    be resumed whatever it says.
    """

    device: Literal["cpu", "gpu"]
    """What it is meant for."""
    minutes: float | None = Field(None, gt=0)
    """Of a whole run on one core, another run beside it on the second; None: not measured."""
    measured_on: str | None = None
    """Where the minutes were measured."""


class Tune(Config):
    """How ``lewm-probe tune`` looks for a weight of this recipe. No part of a run.

    The defaults span the published λ, 0.09, by three decades downwards and two upwards.
    """

    key: str = "objective.sigreg_weight"
    """The number that is searched for, by its dotted key."""
    low: float = Field(1e-4, gt=0)
    """The smallest value tried."""
    high: float = Field(10.0, gt=0)
    """The largest value tried."""
    rank: float | None = Field(None, gt=0)
    """Bound that the centred effective rank of validation latents has to reach after training;
    None: half of the latent width."""
    tolerance: float = Field(1.5, gt=1)
    """Factor between neighbouring values, beyond which nothing is told apart."""
    score: Name = "rollout"
    """What is made best where the rank clears its bound, one of ``lewm_probe.scores``."""
    trials: int = Field(12, ge=1)
    """Most values tried."""
    seeds: int = Field(1, ge=1, le=100)
    """Trainings of each value, with the recipe's seed and those after it."""

    @model_validator(mode="after")
    def _a_range(self) -> Tune:
        if self.low >= self.high:
            raise ValueError(
                f"'low' is {self.low:g} and 'high' is {self.high:g}, but the range has to run "
                "from a smaller value to a larger one"
            )
        return self


APART: dict[str, type[Config]] = {"expects": Expects, "tune": Tune}
"""Sections that stand in a recipe's file only: checked with it, and no part of a run."""


class Recipe(Config):
    """One training run; ``parse_recipe`` makes one, with the sections of its family."""

    name: Name
    world: Name
    model: Any
    """Of the family's ``model_config``."""
    objective: Any
    """Of the family's ``objective_config``; its ``name`` is the family's."""
    data: DataConfig = DataConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    logging: LoggingConfig = LoggingConfig()
    precision: Literal["auto", "float32", "bf16"] = "auto"
    """``auto``: bf16 where the accelerator has it, float32 on CPU."""
    resume_every_steps: int = Field(100, ge=1)
    """Steps between saves of the whole training state."""
    seed: Seed = 3072

    @property
    def steps(self) -> int | None:
        """Optimiser steps of the whole run; None where that depends on the data set's size."""
        per_epoch = self.optimizer.steps_per_epoch
        return None if per_epoch is None else self.optimizer.epochs * per_epoch

    @property
    def family(self) -> str:
        """Name of the family: what the objective makes of a model."""
        name: str = self.objective.name
        return name

    def __reduce__(self) -> tuple[Any, ...]:
        """Worker processes make it anew: its class is of its family, which pickle cannot name."""
        return parse_recipe, (self.model_dump(mode="json"), "The recipe")


@functools.cache
def _schema(model: type[Config], objective: type[Config]) -> type[Recipe]:
    """Recipes of one family: closed, with its own sections."""
    return create_model("Recipe", __base__=Recipe, model=(model, ...), objective=(objective, ...))


def parse_recipe(raw: Any, where: str) -> Recipe:
    """A recipe of the family that ``objective.name`` names; ``where`` names the source in errors.

    Raises:
        UsageError: unknown family, unknown key, wrong type.
    """
    if isinstance(raw, dict):
        for section, schema in APART.items():
            if section in raw:
                parse(raw[section], schema, f"{where}, section '{section}'")
        raw = {key: value for key, value in raw.items() if key not in APART}
    objective = raw.get("objective") if isinstance(raw, dict) else None
    name = objective.get("name") if isinstance(objective, dict) else "lewm"
    if name is None:
        raise UsageError(f"{where} lacks the key 'objective.name'. Add it.")
    if name not in FAMILIES:
        near = difflib.get_close_matches(str(name), FAMILIES.names(), n=1)
        hint = f"Did you mean '{near[0]}'? " if near else ""
        known = ", ".join(f"'{known}'" for known in FAMILIES.names())
        raise UsageError(f"{where}: 'objective.name' is '{name}'. {hint}Choose one of {known}.")
    family = FAMILIES.get(str(name))
    return parse(raw, _schema(family.model_config, family.objective_config), where)


def read_recipe(path: Path) -> Recipe:
    """The recipe in a YAML file.

    Raises:
        UsageError: not there, not YAML, or as ``parse_recipe``.
    """
    return parse_recipe(read_yaml_file(path, "recipe"), f"recipe {path}")


def expectations(name: str | Path) -> Expects | None:
    """What the file of a recipe, by path or shipped name, says that a run takes; None: nothing.

    Raises:
        UsageError: unknown recipe, unknown key, wrong type.
    """
    return _apart(name, "expects", Expects)


def tuning(name: str | Path) -> Tune:
    """How the file of a recipe says that its weight is looked for; defaults where it does not.

    Raises:
        UsageError: unknown recipe, unknown key, wrong type.
    """
    return _apart(name, "tune", Tune) or Tune()


C = TypeVar("C", bound=Config)


def _apart(name: str | Path, section: str, schema: type[C]) -> C | None:
    path = find_recipe(name)
    raw = read_yaml_file(path, "recipe")
    found = raw.get(section) if isinstance(raw, dict) else None
    where = f"recipe {path}, section '{section}'"
    return None if found is None else parse(found, schema, where)


def load_recipe(name: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """A recipe by path or shipped name (``two-room/lewm-cpu``), with ``key=value`` overrides.

    Raises:
        UsageError: unknown recipe, unknown key, wrong type.
    """
    recipe = read_recipe(find_recipe(name))
    return override(recipe, overrides) if overrides else recipe


def override(recipe: Recipe, overrides: Sequence[str]) -> Recipe:
    """Replace dotted keys: ``override(r, ["optimizer.learning_rate=1e-3"])``.

    Values are read as YAML. Raises UsageError for an unknown key or a wrong type.
    """
    raw: dict[str, Any] = recipe.model_dump(mode="json")
    for item in overrides:
        key, equals, text = item.partition("=")
        if not equals:
            raise UsageError(
                f"'{short(item)}' is not an override. Write it as key=value, e.g. seed=1."
            )
        *parents, last = key.split(".")
        node = raw
        for parent in parents:
            child = node.get(parent)
            if not isinstance(child, dict):
                raise UsageError(
                    f"There is no recipe key '{short(key)}': {_no_section(parent, node)}"
                )
            node = child
        if isinstance(node.get(last), dict):
            keys = list(node[last])
            raise UsageError(
                f"'{key}' is a section of the recipe, whose keys are set one by one, e.g. "
                f"--set {key}.{keys[0]}=…. Its keys: {', '.join(sorted(keys))}."
            )
        node[last] = _value(key, text)
    try:
        return parse_recipe(raw, "The recipe with its overrides")
    except UsageError as error:
        family = raw["objective"].get("name")
        if family != recipe.family and family in FAMILIES:
            raise UsageError(
                f"'objective.name' cannot be set to '{family}' in a recipe of the family "
                f"{recipe.family}: its other keys are of that family. Take a recipe of the family "
                f"{family}: `lewm-probe recipes ls`."
            ) from error
        raise


def _no_section(name: str, node: Mapping[str, Any]) -> str:
    """Why a key cannot lie below ``name``, and what was meant."""
    beside = f"Keys beside it: {', '.join(sorted(node))}."
    if name in node:
        return f"'{name}' holds no further keys. {beside}"
    sections = [known for known, value in node.items() if isinstance(value, dict)]
    near = difflib.get_close_matches(short(name), sections, n=1)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    return f"there is no section '{short(name)}'.{hint} {beside}"


def _value(key: str, text: str) -> Any:
    try:
        return read_yaml(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise UsageError(
            f"The value of '{key}' is {short(text)!r}, which is not YAML. Write it as in a recipe, "
            "e.g. --set 'model.encoder.channels=[16, 32]'."
        ) from error
