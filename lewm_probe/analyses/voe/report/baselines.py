"""Surprise beside what needs no learned dynamics: which detector does as well, in which direction.

A detector that is calm where it should be alarmed is alarmed when turned over: pixel difference,
flipped, finds frozen bodies perfectly. Which way round each is used was chosen on other
trajectories and is stored as ``direction``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from lewm_probe.reports import labels
from lewm_probe.reports.means import Mean, means, preferred
from lewm_probe.reports.results_view import WorldView
from lewm_probe.reports.verdicts.judging import REQUIRED, Shown, corrected, number, only
from lewm_probe.results.schema import Metric

ONSET = ("onset", None)
"""Statistics at the onset frame, where the window may be left unsaid."""


def known(view: WorldView) -> tuple[str, ...]:
    """Baselines that a verdict is about: those required, and what else the suite names."""
    stated = view.setting("voe", "baselines", default=())
    return tuple(dict.fromkeys([*REQUIRED, *map(str, stated)]))


def shown(view: WorldView, subject: str, model: str, seed: int | None, **keys: Any) -> Shown:
    """What of one checkpoint a verdict on a condition rests on; ``dose`` for one dose of it."""
    at = {"subject": subject, "model": model, "train_seed": seed, "window": ONSET, **keys}
    own = only(preferred(view.pick("voe", "auroc", **at)))
    gains = {name: row for name in known(view) if (row := only(gain_rows(view, name, **at)))}
    ps = (corrected(view, "voe", which, **at) for which in ("noticed", "beyond"))
    return Shown(own, gains, *ps)


def gain_rows(view: WorldView, baseline: str, **keys: Any) -> list[Metric]:
    """AUROC minus that of a baseline in its direction."""
    at = {"window": ONSET, "versus": (baseline, None), **keys}
    return preferred(view.pick("voe", f"delta_auroc_over_{baseline}", **at))


class Detector(NamedTuple):
    """A baseline as it is used.

    Attributes:
        auroc: in its direction, over checkpoints.
        flipped: in any checkpoint.
    """

    name: str
    auroc: Mean
    flipped: bool

    @property
    def told(self) -> str:
        """``pixel difference flipped, AUROC 0.998``."""
        turned = " flipped" if self.flipped else ""
        return f"{labels.control(self.name)}{turned}, AUROC {number(self.auroc)}"


def detector(view: WorldView, name: str, **keys: Any) -> Detector | None:
    """A baseline of these checkpoints, each in its direction; none where it was not measured."""
    at = {"control": name, "window": ONSET, **keys}
    turned = {
        (row.model, row.train_seed, row.subject, row.dose)
        for row in view.pick("voe", "direction", **at)
        if row.value is not None and row.value < 0
    }
    rows = [
        _flipped(row) if (row.model, row.train_seed, row.subject, row.dose) in turned else row
        for row in preferred(view.pick("voe", "auroc", **at))
    ]
    found = means(rows)
    return Detector(name, found[0], bool(turned)) if found else None


def _flipped(row: Metric) -> Metric:
    ends = {"value": row.value, "ci_low": row.ci_high, "ci_high": row.ci_low}
    return row.model_copy(update={k: None if v is None else 1 - v for k, v in ends.items()})


def detectors(view: WorldView, names: Sequence[str], **keys: Any) -> list[Detector]:
    """Those that were measured, the best first."""
    found = [one for name in names if (one := detector(view, name, **keys))]
    return sorted(found, key=lambda one: -one.auroc.value)


def best(view: WorldView, names: Sequence[str], **keys: Any) -> str:
    """What a verdict says of the best of these baselines, which a model is not beyond."""
    found = detectors(view, names, **keys)
    if not found:
        return f"not shown to be beyond a simpler detector ({labels.control(names[0])})"
    low = found[0].auroc.low
    notices = low is not None and low > 0.5
    says = "and so would" if notices else "not shown to be beyond"
    return f"{says} a simpler detector ({found[0].told})"


def best_gain(view: WorldView, **keys: Any) -> tuple[Detector, Mean] | None:
    """The best baseline, and what the model has beyond it; none where that was not stored."""
    found = detectors(view, known(view), **keys)
    gains = means(gain_rows(view, found[0].name, **keys)) if found else []
    return (found[0], gains[0]) if gains else None
