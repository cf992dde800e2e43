"""Recipes: what to train, as closed and typed configuration (``training/<world>/<name>.yaml``).

Defaults are the released LeWM configuration unless a field says otherwise. Within a pair of recipes
only the objective differs.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, field_validator

from lewm_probe.core.config import Config, load_yaml, parse
from lewm_probe.core.errors import UsageError
from lewm_probe.core.resources import find_recipe
from lewm_probe.models.config import ModelConfig
from lewm_probe.training.sigreg import DIRECTIONS, KNOTS


class LeWMObjectiveConfig(Config):
    """Two terms: L = L_pred + λ · SIGReg (LeWM, arXiv 2603.19312).

    Attributes:
        sigreg_weight: λ. 0.09 as released (the paper's text says 0.1).
        directions: M, random directions a step.
        knots: quadrature points of the Epps–Pulley statistic.
    """

    name: Literal["lewm"] = "lewm"
    sigreg_weight: float = Field(0.09, ge=0)
    directions: int = Field(DIRECTIONS, ge=1)
    knots: int = Field(KNOTS, ge=3)


class PLDMObjectiveConfig(Config):
    """Seven terms (PLDM, arXiv 2502.14819); weights as used in the LeWM paper.

    Attributes:
        variance_weight: α.
        covariance_weight: β.
        smoothness_weight: γ, of the temporal smoothness.
        temporal_variance_weight: ζ.
        temporal_covariance_weight: ν.
        inverse_dynamics_weight: μ.
        inverse_dynamics_hidden: width of the IDM head, as released.
    """

    name: Literal["pldm"]
    variance_weight: float = Field(18.0, ge=0)
    covariance_weight: float = Field(12.0, ge=0)
    smoothness_weight: float = Field(0.2, ge=0)
    temporal_variance_weight: float = Field(0.7, ge=0)
    temporal_covariance_weight: float = Field(0.0, ge=0)
    inverse_dynamics_weight: float = Field(0.0, ge=0)
    inverse_dynamics_hidden: int = Field(512, ge=1)


ObjectiveConfig = Annotated[LeWMObjectiveConfig | PLDMObjectiveConfig, Field(discriminator="name")]


class CollectConfig(Config):
    """The data set this recipe expects, as arguments of ``lewm-probe data collect``."""

    episodes: int = Field(10_000, ge=2)
    mode: Literal["fixed", "goal"] = "goal"
    length: int = Field(101, ge=2)
    policy: str = "expert"
    size: int = Field(224, ge=8)
    seed: int = Field(0, ge=0)


class DataConfig(Config):
    """Windows: frames × frame-skip raw rows (the frame-skip is the model's)."""

    collect: CollectConfig = CollectConfig()
    frames: int = Field(4, ge=2)
    validation_fraction: float = Field(0.1, gt=0, lt=1)
    """Share of episodes held out (the released 0.9 split is over overlapping clips and leaks)."""


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


class Recipe(Config):
    """One training run."""

    name: str
    world: str
    model: ModelConfig
    objective: ObjectiveConfig
    data: DataConfig = DataConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    logging: LoggingConfig = LoggingConfig()
    precision: Literal["auto", "float32", "bf16"] = "auto"
    """``auto``: bf16 where the accelerator has it, float32 on CPU."""
    resume_every_steps: int = Field(100, ge=1)
    """Steps between saves of the whole training state."""
    seed: int = Field(3072, ge=0)

    @property
    def family(self) -> str:
        """``lewm`` or ``pldm``: what the objective makes of the shared architecture."""
        return self.objective.name


def load_recipe(name: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """A recipe by path or shipped name (``two-room/lewm-cpu``), with ``key=value`` overrides.

    Raises:
        UsageError: unknown recipe, unknown key, wrong type.
    """
    path = find_recipe(name)
    recipe = load_yaml(path, Recipe, "recipe")
    return override(recipe, overrides) if overrides else recipe


def override(recipe: Recipe, overrides: Sequence[str]) -> Recipe:
    """Replace dotted keys: ``override(r, ["optimizer.learning_rate=1e-3"])``.

    Values are read as YAML. Raises UsageError for an unknown key or a wrong type.
    """
    raw: dict[str, Any] = recipe.model_dump(mode="json")
    for item in overrides:
        key, equals, text = item.partition("=")
        if not equals:
            raise UsageError(f"'{item}' is not an override. Write it as key=value, e.g. seed=1.")
        *parents, last = key.split(".")
        node = raw
        for parent in parents:
            child = node.get(parent)
            if not isinstance(child, dict):
                raise UsageError(
                    f"There is no recipe key '{key}': '{parent}' holds no further keys. "
                    f"Keys beside it: {', '.join(sorted(node))}."
                )
            node = child
        node[last] = _value(text)
    return parse(raw, Recipe, "The recipe with its overrides")


def _value(text: str) -> Any:
    value = yaml.safe_load(text)
    if isinstance(value, str):
        try:  # YAML 1.1 reads 1e-3 as a string
            return float(value)
        except ValueError:
            return value
    return value
