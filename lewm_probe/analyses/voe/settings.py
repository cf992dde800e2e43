"""What the suite says about violations of expectation: trajectories, conditions, baselines."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, field_validator, model_validator

from lewm_probe.analyses.voe.conditions import CONDITIONS, ConditionKind, Strength
from lewm_probe.core.config import Config, parse
from lewm_probe.core.errors import UsageError, unknown_name

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.@+-]*$", max_length=100)]
"""Names become parts of names of files, which must lead nowhere else: suites may be untrusted."""


SHARED = ("who", "rgb", "amount", "dose")
"""Keys that several kinds read, and mean the same to all of them."""


class _Asked(Config):
    """Something that a kind of condition is asked to do; further keys belong to the kind."""

    model_config = ConfigDict(extra="allow")

    name: Name
    kind: str

    @cached_property
    def how(self) -> ConditionKind:
        """The kind.

        Raises:
            UsageError: there is none of that name.
        """
        return CONDITIONS.get(self.kind)

    @property
    def own(self) -> dict[str, Any]:
        """Keys that a plug-in's kind alone reads, as they were given."""
        return dict(self.__pydantic_extra__ or {})


class Condition(_Asked):
    """One violation of expectation.

    Attributes:
        name: subject in the results, e.g. ``teleport_agent``.
        kind: what is done, a name of ``CONDITIONS``.
        who: the body or scenery concerned; several bodies are teleported one after the other.
        rgb: target colour (``color``, ``background_color``), 0–255.
        amount: brightness factor, noise SD in grey levels, or blur SD in px of a 224 px image.
        dose: distance of ``teleport`` and ``fast_forward`` as a share of the world's arena (without
            one a teleport goes anywhere), or how far of the way to ``rgb`` a colour is changed.
        expected: ``violation`` of physics, ``appearance`` only, or ``action`` mismatch.
        matched_to: a violation of the suite: the strength is set so that images change as much at
            t0 as under it (mean squared grey-level change of the disjoint pairs).

    Raises:
        UsageError: an unknown kind; a key that it needs is missing, or one that it does not read is
            given.
    """

    who: str | tuple[str, ...] | None = None
    rgb: tuple[int, int, int] | None = None
    amount: float | None = Field(None, ge=0, le=1000)
    """A blur of 10⁹ px would not end."""
    dose: float | None = Field(None, gt=0, le=1)
    expected: Literal["violation", "appearance", "action"]
    matched_to: str | None = None

    @cached_property
    def settings(self) -> Any:
        """The kind's own keys, as its schema reads them."""
        given = {key: getattr(self, key) for key in SHARED if getattr(self, key) is not None}
        if self.matched_to is not None:  # known once images are there
            given[self.strength.key] = self.strength.strongest
        where = f"The condition '{self.name}' of kind {self.kind}"
        return parse(given | self.own, self.how.settings, where)

    @property
    def strength(self) -> Strength:
        """What makes it weaker and stronger.

        Raises:
            UsageError: nothing does.
        """
        found = getattr(self.how, "strength", None)
        if not isinstance(found, Strength):
            raise UsageError(
                f"The condition '{self.name}' of kind {self.kind} is to be matched to "
                f"'{self.matched_to}', but this kind has no strength that could be set. Leave out "
                "the key 'matched_to'."
            )
        return found

    def at_strength(self, value: float) -> Condition:
        """The same condition at a strength of its own."""
        keys = self.model_dump(exclude={"matched_to"}) | {self.strength.key: value}
        return Condition(**keys)

    @model_validator(mode="after")
    def _complete(self) -> Condition:
        fields = self.how.settings.model_fields
        needed = [key for key, field in fields.items() if field.is_required()]
        needs = " and ".join(f"'{key}'" for key in needed) or "no further key"
        for key in SHARED:
            given = getattr(self, key) is not None
            if self.matched_to is not None and key == self.strength.key:
                if given:
                    raise UsageError(
                        f"The condition '{self.name}' of kind {self.kind} has both the keys "
                        f"'{key}' and 'matched_to', which sets it. Leave one of them out."
                    )
                continue
            if given and key not in fields or not given and key in needed:
                wrong = "does not read" if given else "lacks"
                raise UsageError(
                    f"The condition '{self.name}' of kind {self.kind} {wrong} the key '{key}': "
                    f"this kind needs {needs}. Fix it in the suite's voe.conditions."
                )
        _ = self.settings
        return self


class DoseResponse(_Asked):
    """One violation at growing doses, scored at onset alone.

    Attributes:
        name: subject in the results, e.g. ``dose_teleport_agent``.
        doses: as ``Condition.dose``, growing.
        kind: one that has doses.
        who, rgb: as in ``Condition``.

    Raises:
        UsageError: a kind that has no doses, or as ``Condition``.
    """

    who: str
    rgb: tuple[int, int, int] | None = None
    doses: tuple[float, ...] = Field(min_length=1)

    @field_validator("doses")
    @classmethod
    def _growing(cls, doses: tuple[float, ...]) -> tuple[float, ...]:
        if list(doses) != sorted(set(doses)) or not (doses[0] > 0 and doses[-1] <= 1):
            raise ValueError("doses must grow, from above 0 to at most 1")
        return doses

    @property
    def unit(self) -> str:
        """What doses are shares of."""
        return getattr(self.how, "dose_unit", "arena")

    def at(self, dose: float) -> Condition:
        """The condition of one dose."""
        return Condition(
            name=f"{self.name}@{dose:g}",
            kind=self.kind,
            who=self.who,
            rgb=self.rgb,
            dose=dose,
            expected=self.how.card.expects or "violation",
            **self.own,
        )

    @model_validator(mode="after")
    def _complete(self) -> DoseResponse:
        if "dose" not in self.how.settings.model_fields:
            dosed = [n for n, k in CONDITIONS.all().items() if "dose" in k.settings.model_fields]
            raise UsageError(
                f"The dose-response '{self.name}' is of kind {self.kind}, which has no doses. "
                f"Choose one of: {', '.join(dosed)}."
            )
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
        "action_blind",
    )
    sign_pairs: int = Field(50, ge=0)
    """Disjoint trajectories that are perturbed: they choose the direction that a baseline is used
    in, and the strength of conditions that are matched to a violation."""
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
        violations = [c.name for c in self.conditions if c.expected == "violation"]
        for condition in self.conditions:
            if condition.matched_to is not None and condition.matched_to not in violations:
                raise unknown_name("violation to match to", condition.matched_to, violations)
        return self
