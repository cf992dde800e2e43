"""What the suite says about violations of expectation: trajectories, conditions, baselines."""

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

    def scaled(self, share: float) -> VoeSettings:
        """So many times the trajectories."""
        sizes = {
            "trajectories": max(4, round(self.trajectories * share)),
            "disjoint": max(4, round(self.disjoint * share)),
        }
        return self.model_copy(update=sizes)

    @model_validator(mode="after")
    def _names_differ(self) -> VoeSettings:
        names = [c.name for c in self.conditions] + [r.name for r in self.dose_response]
        if len(set(names)) != len(names):
            raise ValueError("two conditions have the same name")
        return self
