"""What to ask of a checkpoint in one world: the schema of ``analyses/<world>.yaml``.

Sizes and rules follow the project's protocol: the unit of analysis is the trajectory, controls are
on by default, and everything that could be tuned is written in the suite file, not in code.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from lewm_probe.core.config import Config
from lewm_probe.core.errors import UsageError

ConditionKind = Literal[
    "teleport",
    "step_teleport",
    "color",
    "background_color",
    "brightness",
    "noise",
    "blur",
    "action_swap",
    "frozen",
    "fast_forward",
    "pass_through",
]


Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.@+-]*$", max_length=100)]
"""Names become parts of names of files, which must lead nowhere else: suites may be untrusted."""


class Linear(Config):
    """Ridge regression with group cross-validation (scikit-learn RidgeCV, GroupKFold)."""

    alphas: tuple[Annotated[float, Field(ge=0)], ...] = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 1e1, 1e2, 1e3)
    folds: int = Field(5, ge=2)


class Mlp(Config):
    """The non-linear probe: one network a target, early stopping on held-out trajectories.

    AdamW on standardised features and targets, its rate falling to zero along a cosine. With these
    sizes, 20 epochs reach the test error of 60 at a constant rate in a third of the time.
    """

    hidden: tuple[int, ...] = (128, 128)
    learning_rate: float = Field(5e-3, gt=0)
    weight_decay: float = Field(1e-4, ge=0)
    batch: int = Field(256, ge=1)
    max_epochs: int = Field(20, ge=1)
    patience: int = Field(6, ge=1)
    seeds: int = Field(3, ge=1)


class ProbeSettings(Config):
    """Which quantities are read from the latents, and from how many trajectories."""

    quantities: tuple[str, ...]
    train: int = Field(400, ge=10)
    validation: int = Field(100, ge=5)
    test: int = Field(200, ge=5)
    frames: int = Field(20, ge=4)
    episodes: Literal["fixed", "goal"] = "fixed"
    policy: str = "expert"
    """Who acts, one of the world's policies."""
    linear: Linear = Linear()
    mlp: Mlp = Mlp()
    controls: tuple[str, ...] = ("mean", "time_index", "pixel_pca", "random_weights")
    selectivity_cells: int = Field(10, ge=2)
    """Bins per axis of the random function of discretised state cells."""
    imagined_horizons: tuple[int, ...] = ()
    """On request: probes of latents imagined so many blocks ahead."""
    train_frames: tuple[int, ...] = ()
    """On request: linear R² after so many training frames, e.g. 100 … 20,000."""
    held_out_region: bool = False
    """On request: linear probes tested in a quarter of state space that training never saw."""


CONDITION_KEYS: dict[str, tuple[str, ...]] = {
    "teleport": ("who",),
    "step_teleport": ("who",),
    "frozen": ("who",),
    "fast_forward": ("who", "dose"),
    "pass_through": ("who",),
    "color": ("who", "rgb"),
    "background_color": ("who", "rgb"),
    "brightness": ("amount",),
    "noise": ("amount",),
    "blur": ("amount",),
    "action_swap": (),
}
"""What each kind of condition needs to be told; anything else it would not read."""

DOSED: tuple[ConditionKind, ...] = ("teleport", "fast_forward", "color")
"""Kinds that take a dose; ``teleport`` and ``color`` can do without."""


class Condition(Config):
    """One violation of expectation.

    Attributes:
        name: subject in the results, e.g. ``teleport_agent``.
        kind: what is done.
        who: the body or scenery concerned; several bodies are teleported one after the other.
        rgb: target colour (``color``, ``background_color``), 0–255.
        amount: brightness factor, noise SD in grey levels, or blur SD in px of a 224 px image.
        dose: distance of ``teleport`` and ``fast_forward`` as a share of the world's arena (without
            one a teleport goes anywhere), or how far of the way to ``rgb`` a colour is changed.
        expected: ``violation`` of physics, ``appearance`` only, or ``action`` mismatch.

    Raises:
        UsageError: a key that this kind needs is missing, or one is given that it does not read.
    """

    name: Name
    kind: ConditionKind
    who: str | tuple[str, ...] | None = None
    rgb: tuple[int, int, int] | None = None
    amount: float | None = Field(None, ge=0, le=1000)
    """A blur of 10⁹ px would not end."""
    dose: float | None = Field(None, gt=0, le=1)
    expected: Literal["violation", "appearance", "action"]

    @model_validator(mode="after")
    def _complete(self) -> Condition:
        needed = CONDITION_KEYS[self.kind]
        needs = " and ".join(f"'{key}'" for key in needed) or "no further key"
        for key in ("who", "rgb", "amount", "dose"):
            if key == "dose" and self.kind in DOSED and "dose" not in needed:
                continue
            if (getattr(self, key) is not None) != (key in needed):
                wrong = "lacks" if key in needed else "does not read"
                raise UsageError(
                    f"The condition '{self.name}' of kind {self.kind} {wrong} the key '{key}': "
                    f"this kind needs {needs}. Fix it in the suite's voe.conditions."
                )
        return self


class DoseResponse(Config):
    """One violation at growing doses, scored at onset alone.

    Attributes:
        name: subject in the results, e.g. ``dose_teleport_agent``.
        doses: as ``Condition.dose``, growing.
        kind, who, rgb: as in ``Condition``.
    """

    name: Name
    kind: Literal["teleport", "fast_forward", "color"]
    who: str
    rgb: tuple[int, int, int] | None = None
    doses: tuple[float, ...] = Field(min_length=1)

    @field_validator("doses")
    @classmethod
    def _growing(cls, doses: tuple[float, ...]) -> tuple[float, ...]:
        if list(doses) != sorted(set(doses)) or not (doses[0] > 0 and doses[-1] <= 1):
            raise ValueError("doses must grow, from above 0 to at most 1")
        return doses

    def at(self, dose: float) -> Condition:
        """The condition of one dose."""
        return Condition(
            name=f"{self.name}@{dose:g}",
            kind=self.kind,
            who=self.who,
            rgb=self.rgb,
            dose=dose,
            expected="appearance" if self.kind == "color" else "violation",
        )

    @model_validator(mode="after")
    def _complete(self) -> DoseResponse:
        self.at(self.doses[0])
        return self


class VoeSettings(Config):
    """Matched trajectories and conditions."""

    trajectories: int = Field(200, ge=4)
    disjoint: int = Field(200, ge=4)
    """Unperturbed trajectories for thresholds and normalisation, never those compared."""
    frames: int = Field(20, ge=6)
    policy: str = "expert"
    """Who acts, one of the world's policies; in the disjoint trajectories too."""
    conditions: tuple[Condition, ...]
    dose_response: tuple[DoseResponse, ...] = ()
    baselines: tuple[str, ...] = (
        "copy_last",
        "linear_extrapolation",
        "pixel_difference",
        "random_encoder",
    )
    log_floor: float = Field(1e-8, gt=0)
    """Added to surprise before its logarithm."""
    equivalence_ratio: float = Field(1.25, gt=1)
    """TOST bound: mean log ratio within ± log of this counts as no effect."""

    @model_validator(mode="after")
    def _names_differ(self) -> VoeSettings:
        names = [c.name for c in self.conditions] + [r.name for r in self.dose_response]
        if len(set(names)) != len(names):
            raise ValueError("two conditions have the same name")
        return self


class StraightnessSettings(Config):
    """Whole unperturbed trajectories (those of ``voe``'s disjoint set)."""

    strides: tuple[int, ...] = (1, 2, 5)
    epsilon: float = Field(1e-6, gt=0)
    """Steps shorter than this, in units of the latents' overall SD, are masked."""


class RolloutSettings(Config):
    """Imagined against encoded latents."""

    horizons: tuple[int, ...] = (1, 2, 3, 4, 5, 6, 8, 10)


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
    random_encoder: RandomEncoderSettings = RandomEncoderSettings()
    statistics: StatisticsSettings = StatisticsSettings()
    seed: int = Field(7, ge=0)
    """Evaluation seed: of starts, policies, interventions and resampling."""
