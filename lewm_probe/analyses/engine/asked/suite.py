"""What to ask of a checkpoint in one world: the schema of ``analyses/<world>.yaml``.

Sizes and rules follow the project's protocol: the unit of analysis is the trajectory, controls are
on by default, and everything that could be tuned is written in the suite file, not in code. Each
analysis that is known has a section of its name, whose keys are its own.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol, Self, runtime_checkable

from pydantic import BaseModel, Field, create_model, model_validator

from lewm_probe.core.config import Config, Name, Seed, parse
from lewm_probe.core.errors import UsageError, UserError, unknown_name
from lewm_probe.results.analyses import ANALYSES, in_order

if TYPE_CHECKING:
    from lewm_probe.analyses.probe.settings import ProbeSettings
    from lewm_probe.analyses.rollout.settings import RolloutSettings
    from lewm_probe.analyses.straightness.settings import StraightnessSettings
    from lewm_probe.analyses.voe.settings import VoeSettings


@runtime_checkable
class Scales(Protocol):
    """A section with numbers of trajectories, which ``--trajectories`` changes alike."""

    def scaled(self, share: float) -> Any:
        """The section with so many times its trajectories."""


class CleanSettings(Config):
    """Unperturbed trajectories, for analyses that disturb nothing."""

    trajectories: int = Field(200, ge=4)
    frames: int = Field(20, ge=6)
    policy: Name = "expert"
    """Who acts, one of the world's policies."""

    def scaled(self, share: float) -> CleanSettings:
        """So many times the trajectories."""
        return self.model_copy(update={"trajectories": max(4, round(self.trajectories * share))})


FEWEST_STEPS = 120
"""Steps that suites asked with few trajectories keep, if they have as many: more only fit those few
closer, as the second table in ``controls/trained_predictors.py`` shows."""


class RandomEncoderSettings(Config):
    """Training of predictors on frozen latents (baselines ``random_encoder`` and ``action_blind``).

    Defaults are explained in ``controls/trained_predictors.py``.
    """

    seeds: int = Field(3, ge=1)
    """Random encoders, each with a predictor of its own; their spread is part of intervals."""
    steps: int = Field(600, ge=1)
    batch: int = Field(64, ge=2)
    learning_rate: float = Field(6e-3, gt=0)

    def scaled(self, share: float) -> RandomEncoderSettings:
        """So many times the steps where there are fewer trajectories; never more than asked."""
        fewer = max(FEWEST_STEPS, round(self.steps * share))
        return self.model_copy(update={"steps": min(self.steps, fewer)})


class StatisticsSettings(Config):
    """Intervals and tests."""

    bootstrap: int = Field(2000, ge=100)
    confidence: float = Field(0.95, gt=0.5, lt=1)
    alpha: float = Field(0.05, gt=0, lt=0.5)
    confirmatory: tuple[str, ...] = ()
    """The two or three measures that methods are compared by, named before anything is measured: a
    condition (its AUROC at onset), a quantity (MSE of the linear probe from z) or ``straightness``.
    All others are exploratory."""


class Suite(Config):
    """One file of ``analyses/``.

    Made by ``parse``, ``load_yaml`` or ``model_validate``, which know the sections of all analyses;
    the class itself has none.
    """

    world: Name
    clean: CleanSettings = CleanSettings()
    random_encoder: RandomEncoderSettings = RandomEncoderSettings()
    statistics: StatisticsSettings = StatisticsSettings()
    seed: Seed = 7
    """Evaluation seed: of starts, policies, interventions and resampling."""

    if TYPE_CHECKING:
        probe: ProbeSettings
        voe: VoeSettings
        straightness: StraightnessSettings
        rollout: RolloutSettings

    @model_validator(mode="after")
    def _clean_as_in_voe(self) -> Self:
        """Suites without the section ``clean`` say it in ``voe``, as all did once."""
        voe = getattr(self, "voe", None)
        if voe is not None and "clean" not in self.model_fields_set:
            clean = {"trajectories": voe.disjoint, "frames": voe.frames, "policy": voe.policy}
            self.__dict__["clean"] = CleanSettings(**clean)
        return self

    @model_validator(mode="after")
    def _known_measures(self) -> Self:
        check_measures(self)
        return self

    @classmethod
    def current(cls) -> type[Self]:
        """The schema with a section for each analysis that is known now."""
        found: type[Self] = _with_sections(tuple(_sections()))
        return found

    @classmethod
    def model_validate(cls, obj: Any, **how: Any) -> Self:
        """As of any model, with the sections that are known now."""
        return cls.current().__pydantic_validator__.validate_python(obj, **how)

    @classmethod
    def model_validate_json(cls, json_data: str | bytes | bytearray, **how: Any) -> Self:
        """As of any model, with the sections that are known now."""
        return cls.current().__pydantic_validator__.validate_json(json_data, **how)

    def section(self, analysis: str) -> Any:
        """What is asked of one analysis.

        Raises:
            UsageError: the suite does not say.
        """
        found = getattr(self, analysis, None)
        if found is None:
            raise UsageError(
                f"The suite of {self.world} has no section '{analysis}', which says what the "
                f"analysis {analysis} is to ask. Add it, or copy the suite and add it there."
            )
        return found

    def changed(self, analysis: str, settings: Mapping[str, Any]) -> Self:
        """The suite with other settings of one analysis.

        Raises:
            UsageError: no such key, or a value of the wrong type.
        """
        if not settings:
            return self
        said = getattr(self, analysis, None)
        raw = {**(said.model_dump(mode="json") if said is not None else {}), **settings}
        schema = ANALYSES.get(analysis).load("settings")
        return self.model_copy(update={analysis: parse(raw, schema, f"what {analysis} is to ask")})

    def scaled(self, share: float) -> Self:
        """The suite with so many times the trajectories, in every section that has some."""
        return self.model_copy(
            update={name: part.scaled(share) for name, part in self if isinstance(part, Scales)}
        )


STRAIGHTNESS = "straightness"
"""The one confirmatory measure that is neither a condition nor a quantity."""


def check_measures(suite: Suite) -> None:
    """Refuse a confirmatory measure that the suite does not ask for.

    Raises:
        UsageError: it is neither a condition, a quantity nor ``straightness``.
    """
    voe, probe = getattr(suite, "voe", None), getattr(suite, "probe", None)
    conditions = [c.name for c in voe.conditions] if voe is not None else []
    quantities = probe.quantities if probe is not None else ()
    for name in suite.statistics.confirmatory:
        if name not in (known := [*conditions, *quantities, STRAIGHTNESS]):
            raise unknown_name("confirmatory measure", name, known)


def _sections() -> list[tuple[str, type[BaseModel], bool]]:
    """Analysis, schema of its section, and whether a suite has to hold it.

    What other packages bring along cannot make suites incomplete that were written without it.
    """
    found = []
    for analysis in in_order():
        ours = ANALYSES.is_built_in(analysis.name)
        try:
            schema = analysis.load("settings")
        except UserError:
            if ours:
                raise
            continue
        found.append((analysis.name, schema, ours))
    return found


@functools.cache
def _with_sections(sections: tuple[tuple[str, type[BaseModel], bool], ...]) -> Any:
    fields: dict[str, Any] = {}
    for name, schema, ours in sections:
        if not any(field.is_required() for field in schema.model_fields.values()):
            fields[name] = (schema, schema())
        else:
            fields[name] = (schema, ...) if ours else (schema | None, None)
    return create_model("Suite", __base__=Suite, __module__=__name__, **fields)


def with_defaults(suite: Mapping[str, Any]) -> Mapping[str, Any]:
    """A stored suite with the keys that it left to their defaults, as far as it is one of ours."""
    try:
        whole = Suite.model_validate_json(json.dumps(suite))
    except (ValueError, UserError):
        return suite  # of another version, or an untrusted own
    stated: dict[str, Any] = whole.model_dump(mode="json")
    return stated
