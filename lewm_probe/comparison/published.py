"""Checkpoints against a published result set: differences of stored numbers, paired where possible.

No model is run. Where both results hold rows of the same trajectories (equal ``trajectory_id``:
world, states and actions are the same) the difference is paired; where they do not, each side is
resampled on its own and the interval is wider; where one holds no rows, two stored numbers are
subtracted and there is no interval. Several training seeds of a name count as in ``difference``.

>>> from pathlib import Path
>>> from lewm_probe.results.result import Result, merge
>>> ours, theirs = (Result.load(Path(p)) for p in ("runs/audit", "published"))  # doctest: +SKIP
>>> found = compare_with_published(ours, theirs, label="published", **known)  # doctest: +SKIP
>>> whole = merge([ours, renamed(theirs, "published"), found])  # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lewm_probe.comparison.comparability import differing
from lewm_probe.comparison.difference import Key, Sample, difference, reach
from lewm_probe.comparison.stored import (
    Comparable,
    StoredCheckpoint,
    checkpoints,
    log_floor,
    samples,
    stored,
)
from lewm_probe.core.errors import UsageError, UserError
from lewm_probe.core.files import content_hash
from lewm_probe.core.seeding import stream
from lewm_probe.results.provenance import provenance
from lewm_probe.results.result import Result
from lewm_probe.results.schema import PAIRED, STORED, UNPAIRED, Metric, ModelEntry, Provenance
from lewm_probe.stats import bootstrap
from lewm_probe.stats.bootstrap import Estimate

MOST_TRAJECTORIES = 4000
"""AUROC compares every two trajectories: beyond this many, memory would be the limit."""


def published_name(model: str, label: str) -> str:
    """The name of a published model beside ours.

    >>> published_name("lewm", "two-room-cpu")
    'lewm (two-room-cpu)'
    """
    return f"{model} ({label})"


def renamed(published: Result, label: str) -> Result:
    """The published result under names that say whose it is, to be merged with ours.

    Notes name the label too. Filmstrips are left out: ours show the same conditions.

    Raises:
        UsageError: an empty label, or one of several lines.
    """
    _check_label(label)

    def own(model: str) -> str:
        return published_name(model, label)

    names = {m.model for m in published.metrics} | {e.name for e in published.models}
    names |= set(published.rows["model"].dropna())
    metrics = [
        m.model_copy(
            update={
                "model": own(m.model),
                "versus": own(m.versus) if m.versus in names else m.versus,
            }
        )
        for m in published.metrics
    ]
    models = [e.model_copy(update={"name": own(e.name)}) for e in published.models]
    records = [
        p.model_copy(
            update={
                "notes": [f"{label}: {note}" for note in p.notes],
                "fingerprints": {f"{label}: {k}": v for k, v in p.fingerprints.items()},
            }
        )
        for p in published.provenance
    ]
    rows = published.rows.copy()
    rows["model"] = rows["model"].map({name: own(name) for name in names}, na_action="ignore")
    return Result(records, models, metrics, rows, cards=published.cards)


def compare_with_published(
    result: Result,
    published: Result,
    *,
    label: str,
    comparable: Mapping[str, Comparable],
    complete: Callable[[Mapping[str, Any]], Mapping[str, Any]],
    seed: int = 0,
    confidence: float = 0.95,
    bootstrap: int = 2000,
) -> Result:
    """Every model of ``result`` minus every model of ``published``, in the worlds of both.

    Each checkpoint counts at its last step. Metrics keep the keys of what they compare; ``versus``
    is ``published_name`` of the other model. Of trajectories: ``mse`` of probes;
    ``delta_log_surprise`` (log s_pert − log s_ref) and ``auroc`` at onset; ``cosine`` of
    straightness; ``mse_over_copy_last`` of rollouts. Their names end with
    ``_difference_paired`` (n: shared trajectories) or ``_difference_unpaired`` (n: the fewer of the
    two sides). Names of differences of stored numbers without an interval end with
    ``_difference_stored``. ``train_seed`` and ``step`` are null where several training seeds were
    averaged. Notes say where suites, evaluation seeds or code differ, and what differences can
    carry. No rows are stored: both results hold theirs.

    Args:
        result: ours.
        published: theirs.
        label: what theirs is called.
        comparable: by analysis, what of it is compared.
        complete: a stored suite with the keys that it left to their defaults.
        seed: of the resampling.
        confidence: of the intervals.
        bootstrap: number of resamples.

    Raises:
        UsageError: an empty label, or one under which a published model has the name of ours.
        UserError: no world in common, nothing that can be compared, or too many trajectories.
    """
    common = common_worlds(_worlds(result), published, label)
    taken = {m.model for m in result.metrics}
    for model in {m.model for m in published.metrics}:
        if published_name(model, label) in taken:
            raise UsageError(
                f"A model of these results is called '{published_name(model, label)}' already. "
                f"Give the results to compare with another name than '{label}', as NAME=REPORT."
            )
    metrics: list[Metric] = []
    records: list[Provenance] = []
    for world in common:
        sides = [_side(one, world, comparable) for one in (result, published)]
        found = _Comparing(world, label, seed, confidence, bootstrap)
        for own in sides[0].values():
            for others in sides[1].values():
                found.compare(own, others)
        notes = [*differing(result, published, world, label, complete), *found.notes]
        metrics += found.metrics
        settings = {
            "analysis": "against",
            "against": label,
            "confidence": confidence,
            "bootstrap": bootstrap,
            "suite": {"world": world},
        }
        records.append(
            provenance("against", seeds={"against": seed}, settings=settings, notes=notes)
        )
    if not metrics:
        raise UserError(
            f"Nothing of '{label}' can be compared with these results: no number of "
            f"{_listed(common)} stands in both. Run the same analyses of the same suite on both."
        )
    return Result(records, _entries(result, common), metrics)


def common_worlds(ours: Sequence[str], published: Result, label: str) -> list[str]:
    """Those of our worlds that published results called ``label`` are of.

    Raises:
        UsageError: an empty label, or one of several lines.
        UserError: there are none.
    """
    _check_label(label)
    theirs = _worlds(published)
    common = [world for world in ours if world in theirs]
    if not common:
        raise UserError(
            f"The results to compare with, '{label}', are of {_listed(theirs)}; these are of "
            f"{_listed(ours)}. Give results of the same world."
        )
    return common


# ---- what is compared


@dataclass(frozen=True)
class _One:
    """A checkpoint with all that can be compared of it."""

    checkpoint: StoredCheckpoint
    samples: Mapping[Key, Sample]
    stored: Mapping[Key, Metric]


def _side(
    result: Result, world: str, comparable: Mapping[str, Comparable]
) -> dict[str, list[_One]]:
    """Checkpoints of a world by name, one a training seed."""
    floor = log_floor(result, world)
    found: dict[str, list[_One]] = {}
    for one in checkpoints(result, world):
        whole = _One(
            one,
            samples(result.rows, one, floor, comparable),
            stored(result.metrics, one, comparable),
        )
        found.setdefault(one.model, []).append(whole)
    return found


class _Comparing:
    """The differences of one world; remembers the resamples that several pairs share."""

    def __init__(
        self, world: str, label: str, seed: int, confidence: float, bootstrap: int
    ) -> None:
        self.metrics: list[Metric] = []
        self.notes: dict[str, None] = {}
        self._world, self._label = world, label
        self._seed, self._confidence, self._bootstrap = seed, confidence, bootstrap
        self._weights: dict[tuple[str, ...], np.ndarray] = {}

    def compare(self, own: Sequence[_One], others: Sequence[_One]) -> None:
        """Write every difference of one of our names and one of theirs down."""
        versus = published_name(others[0].checkpoint.model, self._label)
        single = len(own) == len(others) == 1
        first = own[0].checkpoint
        before = len(self.metrics)
        written: set[Key] = set()
        fewer: dict[str, tuple[int, int]] = {}
        for key in own[0].samples:
            sides = [[one.samples.get(key) for one in side] for side in (own, others)]
            estimate, ending = self._sampled(key, *(_whole(side) for side in sides))
            if estimate is not None:
                self._write(key, estimate, ending, own, versus, single)
                written.add(key)
                held, whole = _held(key, [*own, *others])
                if held < whole:
                    about = str(dict(key)["subject"] or dict(key)["metric"])
                    fewer[about] = min((held, whole), fewer.get(about, (held, whole)))
        for key in own[0].stored:
            if key in written:
                continue
            values = [[_value(one.stored.get(key)) for one in side] for side in (own, others)]
            numbers = [[v for v in side if v is not None] for side in values]
            if [len(side) for side in numbers] == [len(own), len(others)]:
                value = float(np.mean(numbers[0]) - np.mean(numbers[1]))
                self._write(key, Estimate(value), STORED, own, versus, single)
        if len(self.metrics) > before:
            self.notes.setdefault(reach(first.model, len(own), versus, len(others)))
        if fewer:
            reported = ", ".join(f"{about} {n} of {of}" for about, (n, of) in fewer.items())
            self.notes.setdefault(
                f"{first.model} against {versus}: rows do not hold all trajectories that the "
                f"stored numbers are of ({reported}); the differences are of those that they hold."
            )

    def _write(
        self,
        key: Key,
        estimate: Estimate,
        ending: str,
        own: Sequence[_One],
        versus: str,
        single: bool,
    ) -> None:
        checkpoint = own[0].checkpoint
        base = own[0].stored.get(key)
        keys = dict(key)
        self.metrics.append(
            Metric(
                **keys
                | {
                    "model": checkpoint.model,
                    "family": checkpoint.family,
                    "train_seed": checkpoint.train_seed if single else None,
                    "step": checkpoint.step if single else None,
                    "world": self._world,
                    "versus": versus,
                    "metric": f"{keys['metric']}{ending}",
                    "value": estimate.value,
                    "unit": base.unit if base else None,
                    "ci_low": estimate.low,
                    "ci_high": estimate.high,
                    "n": estimate.n,
                    "eval_seed": base.eval_seed if base else None,
                    "higher_is_better": base.higher_is_better if base else None,
                }
            )
        )

    def _sampled(
        self, key: Key, own: Sequence[Sample] | None, others: Sequence[Sample] | None
    ) -> tuple[Estimate | None, str]:
        """The difference with its interval, and how it was made; None without rows."""
        if own is None or others is None:
            return None, ""
        found = difference(
            own,
            others,
            weights=self._resamples,
            confidence=self._confidence,
            apart=True,
        )
        estimate = found.estimate
        if estimate.value is None or not np.isfinite(estimate.value) or (estimate.n or 0) < 2:
            return None, ""
        return estimate, PAIRED if found.paired else UNPAIRED

    def _resamples(self, ids: Sequence[str], side: str) -> np.ndarray:
        """Bootstrap weights of these trajectories, (R, N)."""
        if len(ids) > MOST_TRAJECTORIES:
            raise UserError(
                f"The results to compare with, '{self._label}', and these are of {len(ids):,} "
                f"trajectories; at most {MOST_TRAJECTORIES:,} can be compared. Give results of "
                "fewer trajectories."
            )
        digest = content_hash(*ids)
        if (digest, side) not in self._weights:
            rng = stream(self._seed, "against", "bootstrap", side, digest)
            self._weights[digest, side] = bootstrap.resamples(len(ids), self._bootstrap, rng)
        return self._weights[digest, side]


# ---- small things


def _whole(side: Sequence[Sample | None]) -> list[Sample] | None:
    there = [sample for sample in side if sample is not None]
    return there if len(there) == len(side) else None


def _held(key: Key, sides: Sequence[_One]) -> tuple[int, int]:
    """Trajectories that rows hold of a number, and those that it is of: the fewest of all sides."""
    held = min(len(one.samples[key].values) for one in sides)
    counts = [one.stored[key].n for one in sides if key in one.stored]
    return held, min((n for n in counts if n is not None), default=held)


def _value(metric: Metric | None) -> float | None:
    known = metric is not None and metric.value is not None and np.isfinite(metric.value)
    return metric.value if known and metric is not None else None


def _worlds(result: Result) -> list[str]:
    return list(dict.fromkeys(m.world for m in result.metrics))


def _entries(result: Result, worlds: Sequence[str]) -> list[ModelEntry]:
    return [e for e in result.models if e.world is None or e.world in worlds]


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "no world"


def _check_label(label: str) -> None:
    if not label.strip() or not label.isprintable():
        raise UsageError(
            f"{label!r} is no name for results to compare with. Give one line of text, as "
            "NAME=REPORT."
        )
