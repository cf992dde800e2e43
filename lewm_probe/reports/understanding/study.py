"""The study: success of checkpoints on the same pairs, against every measure of them.

The unit is a checkpoint; checkpoints of one training run are no independent witnesses and are
resampled, and permuted, together (``stats.correlation``). Confirmatory measures have a permutation
p over all checkpoints, corrected by Holm over the three of them; intervals of all others, and of
single families, are as they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from lewm_probe.core.errors import UserError, short
from lewm_probe.core.progress import NoProgress, Progress
from lewm_probe.core.seeding import stream
from lewm_probe.reports import labels
from lewm_probe.reports.palette import Look, looks_of
from lewm_probe.reports.understanding.measures import (
    LOSS,
    MEASURES,
    Checkpoint,
    Measured,
    any_reads,
    checkpoint_of,
    read,
)
from lewm_probe.results.analyses import known_cards
from lewm_probe.results.cards import Cards, joined
from lewm_probe.results.result import Result
from lewm_probe.results.schema import step_order
from lewm_probe.stats.bootstrap import Estimate
from lewm_probe.stats.correlation import (
    Resamples,
    partial_interval,
    permutation_p,
    resample,
    smallest_detectable,
    smallest_p,
    spearman_interval,
    strength_gain,
)
from lewm_probe.stats.paired import holm

FEWEST = 5
"""Checkpoints below which nothing is said."""

FEWEST_OF_FAMILY = 6
"""Checkpoints from which a family is looked at by itself."""

ALPHA = 0.05
"""Level of tests and of what is detectable, before Holm."""

CONFIRMATORY = sum(measure.confirmatory for measure in MEASURES)
"""Tests in Holm's family."""


@dataclass(frozen=True)
class Asked:
    """Which planning is meant: keys of the plan analysis.

    Attributes:
        solver: its ``method``.
        rule: of success, its ``subject``.
        window: whether the goal counts at any step or at the end.
    """

    solver: str = "cem"
    rule: str = "released"
    window: str = "any"


@dataclass(frozen=True)
class Correlation:
    """A measure and success, over some checkpoints.

    Attributes:
        measured: the measure.
        runs: training runs that the checkpoints with both are of.
        rho: Spearman's, with its interval; ``n`` counts the checkpoints.
        partial: given the ranks of training steps.
        gain: |rho| minus that of the validation loss, over the checkpoints with both.
        p: of the permutation of whole runs; null for all but confirmatory measures.
        p_holm: over the confirmatory measures.
        p_floor: what ``p_holm`` cannot go below with these runs.
        detectable: the |rho| that as many independent checkpoints show with a power of 80 %, at the
            strictest step of Holm.
    """

    measured: Measured
    runs: int
    rho: Estimate
    partial: Estimate
    gain: Estimate
    p: float | None
    p_holm: float | None
    p_floor: float | None
    detectable: float | None

    @property
    def n(self) -> int:
        """Checkpoints with both."""
        return self.rho.n or 0

    @property
    def shown(self) -> bool:
        """Whether a confirmatory measure goes with success: by its interval and by Holm's p."""
        return excludes_zero(self.rho) and self.p_holm is not None and self.p_holm < ALPHA

    @property
    def rightly(self) -> bool:
        """Whether it is the better checkpoint that reaches more."""
        sign = -1 if self.measured.measure.higher_is_better is False else 1
        return sign * (self.rho.value or 0.0) > 0


@dataclass(frozen=True)
class Study:
    """What was found in one world.

    Attributes:
        title: the world as readers see it.
        checkpoints: in order of families, names, seeds and steps, C of them.
        families: of each checkpoint, C of them.
        looks: how each family looks and is called, in order of display.
        outcomes: 0 or 1 in each pair, NaN where it was not tried, (C, P).
        measured: every measure.
        found: every measure over all checkpoints.
        by_family: family → the same over its checkpoints.
        notes: what a reader must see first.
    """

    world: str
    title: str
    asked: Asked
    checkpoints: tuple[Checkpoint, ...]
    families: tuple[str, ...]
    looks: Mapping[str, Look]
    outcomes: np.ndarray
    measured: tuple[Measured, ...]
    found: tuple[Correlation, ...]
    by_family: dict[str, tuple[Correlation, ...]]
    notes: tuple[str, ...]

    @property
    def success(self) -> np.ndarray:
        """The share of pairs that each checkpoint solved, (C,)."""
        return np.asarray(np.nanmean(self.outcomes, axis=1))

    @property
    def runs(self) -> int:
        """Training runs."""
        return len({checkpoint.run for checkpoint in self.checkpoints})

    @property
    def confirmatory(self) -> list[Correlation]:
        """Those named beforehand."""
        return [one for one in self.found if one.measured.measure.confirmatory]

    @property
    def exploratory(self) -> list[Correlation]:
        """All others, without the validation loss."""
        others = [one for one in self.found if not one.measured.measure.confirmatory]
        return [one for one in others if one.measured.name != LOSS]

    @property
    def loss(self) -> Correlation | None:
        """The validation loss, where any checkpoint has one."""
        return next((one for one in self.found if one.measured.name == LOSS), None)

    @property
    def best(self) -> Correlation | None:
        """The confirmatory measure that goes with success most; of none, the first other."""
        known = [one for one in self.confirmatory if one.rho.value is not None]
        known = known or [one for one in self.found if one.rho.value is not None]
        return max(known, key=lambda one: abs(one.rho.value or 0.0), default=None)


def excludes_zero(estimate: Estimate) -> bool:
    """Whether an interval does; one that is not there does not."""
    low, high = estimate.low, estimate.high
    return low is not None and high is not None and not low <= 0 <= high


def detectable(n: int) -> float | None:
    """``smallest_detectable`` at the strictest step of Holm over the confirmatory measures."""
    return smallest_detectable(n, alpha=ALPHA / CONFIRMATORY)


def needed(result: Result) -> Result:
    """What of a result the study reads: a result of its own, small enough to be kept beside it."""
    metrics = [m for m in result.metrics if any_reads(m) or _is_success(m.analysis, m.metric)]
    rows = result.rows
    kept = rows[(rows["analysis"] == "plan") & (rows["metric"] == "success")]
    return Result(result.provenance, result.models, metrics, kept, None, result.cards)


def studies(
    result: Result, asked: Asked, seed: int = 0, progress: Progress | None = None
) -> tuple[list[Study], list[str]]:
    """A study of every world that has enough checkpoints, and why others have none.

    Raises:
        UserError: no world has; it says what was found and what is missing.
    """
    rows = _planned(result, asked)
    worlds = list(dict.fromkeys(rows["world"].dropna()))
    made, refused = [], []
    with (progress or NoProgress()).task("Correlations", len(worlds)) as task:
        for world in worlds:
            try:
                made.append(_study(result, rows[rows["world"] == world], world, asked, seed))
            except UserError as error:
                refused.append(error)
            task.advance()
    if not made:
        raise refused[0]
    return made, [str(error) for error in refused]


def _is_success(analysis: str, metric: str) -> bool:
    return (analysis, metric) == ("plan", "success_rate")


def _planned(result: Result, asked: Asked) -> pd.DataFrame:
    """Outcomes of models themselves, as they were asked for.

    Raises:
        UserError: there are none.
    """
    rows = needed(result).rows
    main = rows[["control", "dose"]].isna().all(axis=1)  # the models, with their main budget
    every = rows[main & rows["world"].notna()]
    keys = ["method", "subject", "window"]
    chosen = np.ones(len(every), dtype=bool)
    for key, wanted in zip(keys, (asked.solver, asked.rule, asked.window), strict=True):
        chosen &= (every[key] == wanted).fillna(False).to_numpy(bool)
    if chosen.any():
        return every[chosen]
    stored = sorted({" / ".join(map(str, one)) for one in every[keys].itertuples(index=False)})
    if stored:
        raise UserError(
            f"No checkpoint of these results has planned with the solver '{short(asked.solver)}' "
            f"under the rule '{short(asked.rule)}' in the window '{short(asked.window)}'. They "
            f"hold (solver / rule / window): {short('; '.join(stored))}. Choose one of them with "
            "--solver, --rule and --window, or plan with that solver by `lewm-probe plan`."
        )
    if any(_is_success(m.analysis, m.metric) for m in result.metrics):
        raise UserError(
            "These results hold rates of planning success without the outcome of each pair, from "
            "which their uncertainty follows. Their rows*.parquet are missing; get the folders "
            "again from where they came, or run `lewm-probe plan` again."
        )
    raise UserError(
        "These results hold no planning. Run `lewm-probe plan` with the checkpoints that were "
        "measured, and give the folder that it writes as well."
    )


def _study(result: Result, rows: pd.DataFrame, world: str, asked: Asked, seed: int) -> Study:
    cards: Cards = joined(known_cards(), result.cards)
    title = labels.world(world, cards.get("world"))
    planned, every_outcome = _outcomes(rows, result, title)
    metrics = [m for m in result.metrics if m.world == world and any_reads(m)]
    entries = [e for e in result.models if e.world in (None, world)]
    every_measured = read(metrics, entries, planned)
    asked_about = [one.values for one in every_measured if not one.measure.curve]
    known = np.isfinite(asked_about).any(axis=0)  # (C,)
    if known.sum() < FEWEST:
        measured = len({checkpoint_of(m) for m in metrics})
        raise UserError(
            f"Only {known.sum()} checkpoints of {short(title)} have both planning success and a "
            f"measure of understanding ({len(planned)} planned, {measured} measured), and at least "
            f"{FEWEST} are needed to speak of a correlation. Plan with more of the measured "
            "checkpoints (`lewm-probe plan`), or measure more of those that planned (`lewm-probe "
            "audit`), and give all their folders together."
        )
    kept = np.flatnonzero(known)
    checkpoints = tuple(planned[k] for k in kept)
    outcomes = every_outcome[kept]
    if not np.isfinite(outcomes).all(axis=0).any():
        raise UserError(
            f"The checkpoints of {short(title)} have no start–goal pair in common, so their "
            "success cannot be compared. Plan with all of them on the same pairs (`lewm-probe plan "
            "--pairs FILE`)."
        )
    families = _families(result, checkpoints)
    study = Study(
        world,
        title,
        asked,
        checkpoints,
        tuple(families),
        _looks(families, cards),
        outcomes,
        tuple(replace(one, values=one.values[kept]) for one in every_measured),
        (),
        {},
        _notes(len(planned), outcomes),
    )
    everyone = np.arange(len(checkpoints))
    found = _correlations(study, everyone, stream(seed, "understanding", world))
    by_family = {}
    for family in study.looks:
        own = np.flatnonzero([one == family for one in study.families])
        if len(own) >= FEWEST_OF_FAMILY:
            by_family[family] = _correlations(
                study, own, stream(seed, "understanding", world, family)
            )
    tested = _tested(study, found, seed)
    return replace(study, found=tested, by_family=by_family)


def _outcomes(
    rows: pd.DataFrame, result: Result, title: str
) -> tuple[list[Checkpoint], np.ndarray]:
    """Checkpoints that planned, in order, and their outcomes in every pair, (C, P)."""
    values = rows["value"].to_numpy(np.float64, na_value=np.nan)
    if not ((values >= 0) & (values <= 1)).all():
        raise UserError(
            f"The results of {short(title)} hold an outcome of planning that is neither 0 nor 1. "
            "They were changed after they were written; run `lewm-probe plan` again."
        )
    who = [
        Checkpoint(model, *(None if pd.isna(one) else int(one) for one in (seed, step)))
        for model, seed, step in zip(rows["model"], rows["train_seed"], rows["step"], strict=True)
    ]
    known = {entry.name: entry.family for entry in result.models}
    order = list(labels.FAMILIES)

    def place(one: Checkpoint) -> tuple[int, str, str, int, float]:
        family = known.get(one.model, "")
        rank = order.index(family) if family in order else len(order)
        seed = -1 if one.train_seed is None else one.train_seed
        return rank, family, one.model, seed, step_order(one.step)

    checkpoints = sorted(set(who), key=place)
    pairs = sorted(set(rows["trajectory_id"].fillna("")))
    at = {checkpoint: k for k, checkpoint in enumerate(checkpoints)}
    column = {pair: k for k, pair in enumerate(pairs)}
    summed, tried = np.zeros((2, len(checkpoints), len(pairs)))
    places = ([at[one] for one in who], [column[p] for p in rows["trajectory_id"].fillna("")])
    np.add.at(summed, places, values)
    np.add.at(tried, places, 1)
    with np.errstate(invalid="ignore"):
        return checkpoints, summed / tried  # NaN where it was not tried


def _families(result: Result, checkpoints: Sequence[Checkpoint]) -> list[str]:
    known = {metric.model: metric.family for metric in result.metrics}
    known |= {entry.name: entry.family for entry in result.models}
    return [known.get(one.model, one.model) for one in checkpoints]


def _looks(families: Sequence[str], cards: Cards) -> dict[str, Look]:
    """Each family as its first model would look, under its own label."""
    found = looks_of([(family, family) for family in families], cards.get("family"))
    return {
        family: replace(look, label=labels.family(family, cards.get("family")))
        for family, look in found.items()
    }


def _notes(planned: int, outcomes: np.ndarray) -> tuple[str, ...]:
    notes = []
    if left := planned - len(outcomes):
        notes.append(
            f"{left} of {planned} checkpoints that planned were not measured and are left out."
        )
    lacking = int((~np.isfinite(outcomes)).any(axis=1).sum())
    if lacking:
        notes.append(
            f"{lacking} of {len(outcomes)} checkpoints lack some of the {outcomes.shape[1]} pairs; "
            "their success is over those that they have."
        )
    return tuple(notes)


def _correlations(
    study: Study, own: np.ndarray, rng: np.random.Generator
) -> tuple[Correlation, ...]:
    """Every measure over the checkpoints at places ``own``, all in the same resamples."""
    runs = [study.checkpoints[k].run for k in own]
    drawn = resample(study.outcomes[own], runs, rng)
    steps = [study.checkpoints[k].step for k in own]
    length = np.array([[np.nan if s is None else np.log10(max(s, 1)) for s in steps]])
    values = {one.name: one.values[own] for one in study.measured}
    loss = values.get(LOSS, np.full(len(own), np.nan))
    return tuple(
        _correlation(one, values[one.name], loss, length, drawn, runs) for one in study.measured
    )


def _correlation(
    measured: Measured,
    values: np.ndarray,
    loss: np.ndarray,
    length: np.ndarray,
    drawn: Resamples,
    runs: Sequence[tuple[str, int | None]],
) -> Correlation:
    there = [run for run, value in zip(runs, values, strict=True) if np.isfinite(value)]
    enough = len(there) >= FEWEST
    nothing = Estimate(None, n=len(there))
    itself = measured.name == LOSS
    return Correlation(
        measured,
        len(set(there)),
        spearman_interval(values, drawn) if enough else nothing,
        partial_interval(values, length, drawn) if enough else nothing,
        strength_gain(values, loss, drawn) if enough and not itself else Estimate(None, n=0),
        None,
        None,
        None,
        detectable(len(there)),
    )


def _tested(study: Study, found: Sequence[Correlation], seed: int) -> tuple[Correlation, ...]:
    """With the permutation test of confirmatory measures, and Holm's correction over them."""
    runs = [checkpoint.run for checkpoint in study.checkpoints]
    tested = []
    for one in found:
        if one.measured.measure.confirmatory and one.n >= FEWEST:
            rng = stream(seed, "understanding", study.world, "permutation", one.measured.name)
            values = one.measured.values
            p = permutation_p(values, study.success, runs, rng)
            there = [run for run, v in zip(runs, values, strict=True) if np.isfinite(v)]
            floor = min(1.0, CONFIRMATORY * smallest_p(there))
            one = replace(one, p=p, p_floor=floor)
        tested.append(one)
    corrected = holm([one.p for one in tested])
    return tuple(replace(one, p_holm=p) for one, p in zip(tested, corrected, strict=True))
