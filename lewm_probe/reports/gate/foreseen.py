"""What of a gate can be told before an audit: names that no number of it will have.

An audit takes minutes to hours, and a gate with a misspelt metric would end it with an error. So
every threshold is held against what is known once checkpoints and suite are: the world, the
analyses that will be asked, the metrics, methods and windows that each declares
(``Analysis.metrics``, ``Analysis.keys``), the conditions, quantities, horizons and strides of the
suite, and the names of the models. What cannot be known, such as the metrics
of an analysis that declares none, is left to ``check_gate``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from lewm_probe.core.errors import UsageError
from lewm_probe.reports.gate.misfit import shortened, suggestion
from lewm_probe.reports.gate.threshold import Gate, Threshold
from lewm_probe.results.analyses import ANALYSES
from lewm_probe.results.family import ENDING
from lewm_probe.results.schema import PAIRED, STORED, UNPAIRED

WITHOUT_CONDITION = ("preflight", "reference")
"""Subjects of surprise that are no conditions."""

DERIVED = ("_change", "_raw")
"""What names of quantities end with that a probe makes of those that it is asked for."""

NUMBERS = ("horizon", "stride")
"""Keys whose values a suite lists, under their plural."""


def check_foreseen(
    gate: Gate,
    suite: Mapping[str, Any],
    analyses: Sequence[str],
    models: Collection[str],
    others: Collection[str] = (),
) -> None:
    """Refuse thresholds that no number of the audit to come can fit.

    Args:
        gate: the thresholds.
        suite: what will be asked, as plain values.
        analyses: those that will be asked.
        models: names of the checkpoints.
        others: names of published results that they are compared with.

    Raises:
        UsageError: with the threshold, the name, the nearest known one and the list.
    """
    for place, threshold in enumerate(gate.thresholds, 1):
        known: dict[str, Collection[str]] = {
            "world": [str(suite["world"])],
            "analysis": analyses,
            "metric": _metrics(threshold, others),
            "model": models,
            "subject": _subjects(threshold, suite),
            **_keys(threshold, suite),
        }
        for key, names in known.items():
            wanted = getattr(threshold, key)
            if wanted is not None and names and str(wanted) not in names:
                raise _unknown(place, threshold, key, str(wanted), names)


def _metrics(threshold: Threshold, others: Collection[str]) -> Collection[str]:
    """Metrics that the analysis declares; none where it declares none or is not known."""
    if threshold.analysis not in ANALYSES.names():
        return ()
    analysis = ANALYSES.get(threshold.analysis)
    if not analysis.metrics:
        return ()
    endings = (PAIRED, UNPAIRED, STORED) if others else ()
    compared = analysis.load("compared") if analysis.compared else ()
    corrected = {name + ENDING for name in analysis.metrics if name in ("p_noticed", "p_beyond")}
    return {*analysis.metrics, *corrected, *(m + end for m in compared for end in endings)}


def _subjects(threshold: Threshold, suite: Mapping[str, Any]) -> Collection[str]:
    """Conditions or quantities of the suite; none where it does not say, and any is meant."""
    section = suite.get(threshold.analysis) or {}
    if threshold.analysis == "voe":
        asked = [*section.get("conditions", ()), *section.get("dose_response", ())]
        return [*(str(one["name"]) for one in asked), *WITHOUT_CONDITION]
    if threshold.analysis == "probe" and (quantities := section.get("quantities")):
        return [*quantities, *(f"{name}{end}" for name in quantities for end in DERIVED)]
    return ()


def _keys(threshold: Threshold, suite: Mapping[str, Any]) -> Mapping[str, Collection[str]]:
    """Values of further keys: those that the analysis declares, and numbers of the suite."""
    if threshold.analysis not in ANALYSES.names():
        return {}
    section = suite.get(threshold.analysis) or {}
    numbers = {key: [str(one) for one in section.get(f"{key}s", ())] for key in NUMBERS}
    return {**ANALYSES.get(threshold.analysis).keys, **numbers}


def _unknown(
    place: int, threshold: Threshold, key: str, wanted: str, names: Collection[str]
) -> UsageError:
    known = sorted(names, key=lambda name: (int(name) if name.isdigit() else 0, name))
    return UsageError(
        f"Threshold {place} of the gate, “{threshold.title}”, would fit no number of this audit: "
        f"'{key}: {wanted}' will not be there.{suggestion(wanted, known)} Known: "
        f"{shortened(known)}. Nothing was measured yet: "
        "fix the gate."
    )
