"""What to ask of a checkpoint in one world: the schema of ``analyses/<world>.yaml``.

Sizes and rules follow the project's protocol: the unit of analysis is the trajectory, controls are
on by default, and everything that could be tuned is written in the suite file, not in code.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydantic import Field

from lewm_probe.analyses.geometry.settings import GeometrySettings
from lewm_probe.analyses.probe.settings import ProbeSettings
from lewm_probe.analyses.rollout.settings import RolloutSettings
from lewm_probe.analyses.straightness.settings import StraightnessSettings
from lewm_probe.analyses.voe.settings import VoeSettings
from lewm_probe.core.config import Config
from lewm_probe.core.errors import UserError


class RandomEncoderSettings(Config):
    """Training of the predictor on frozen random latents (the ``random_encoder`` baseline)."""

    steps: int = Field(1500, ge=1)
    batch: int = Field(128, ge=2)
    learning_rate: float = Field(1e-3, gt=0)


class StatisticsSettings(Config):
    """Intervals and tests."""

    bootstrap: int = Field(2000, ge=100)
    confidence: float = Field(0.95, gt=0.5, lt=1)
    alpha: float = Field(0.05, gt=0, lt=0.5)
    confirmatory: tuple[str, ...] = ()
    """Conditions whose tests form the Holm family of the report."""


class Suite(Config):
    """One file of ``analyses/``."""

    world: str
    probe: ProbeSettings
    voe: VoeSettings
    straightness: StraightnessSettings = StraightnessSettings()
    rollout: RolloutSettings = RolloutSettings()
    geometry: GeometrySettings = GeometrySettings()
    random_encoder: RandomEncoderSettings = RandomEncoderSettings()
    statistics: StatisticsSettings = StatisticsSettings()
    seed: int = Field(7, ge=0)
    """Evaluation seed: of starts, policies, interventions and resampling."""

    def section(self, analysis: str) -> Any:
        """What is asked of one analysis.

        Raises:
            UsageError: the suite does not say.
        """
        return getattr(self, analysis)


def with_defaults(suite: Mapping[str, Any]) -> Mapping[str, Any]:
    """A stored suite with the keys that it left to their defaults, as far as it is one of ours."""
    try:
        whole = Suite.model_validate_json(json.dumps(suite))
    except (ValueError, UserError):
        return suite  # of another version, or an untrusted own
    stated: dict[str, Any] = whole.model_dump(mode="json")
    return stated
