"""The paragraph that answers the question: sentences that follow from the numbers by fixed rules.

A confirmatory measure *predicts* success if its interval excludes 0 and Holm's p is below 0.05;
nothing else is said to. A difference to the validation loss is one if its interval excludes 0. What
is not shown is not denied: the smallest correlation that so many checkpoints show stands beside it.
"""

from __future__ import annotations

import numpy as np

from lewm_probe.reports import labels
from lewm_probe.reports.formatting import SPACE, counted, estimate, number, p_statement, percent
from lewm_probe.reports.understanding.study import (
    ALPHA,
    FEWEST,
    Correlation,
    Study,
    detectable,
    excludes_zero,
)
from lewm_probe.stats.bootstrap import Estimate
from lewm_probe.stats.correlation import FEWEST_GROUPS

NAMED = 3
"""Exploratory measures that a sentence names."""

LIMITS = (
    "A correlation over checkpoints that differ in more than one thing does not say what makes "
    "them plan better."
)


def paragraph(study: Study) -> str:
    """All sentences, the answer first."""
    sentences = [
        answer(study),
        *(sentence(one) for one in study.confirmatory),
        training_length(study),
        against_loss(study),
        exploratory(study),
        families(study),
        LIMITS,
    ]
    return " ".join(one for one in sentences if one)


def answer(study: Study) -> str:
    """How many of the confirmatory measures predict success."""
    names = [_name(one) for one in study.confirmatory if one.shown and one.rightly]
    asked = f"{len(study.confirmatory)} measures named beforehand"
    if not names:
        return f"Of the {asked}, none is shown to predict planning success here."
    verb = "predicts" if len(names) == 1 else "predict"
    return f"Of the {asked}, {len(names)} {verb} planning success: {labels.listing(names)}."


def sentence(one: Correlation) -> str:
    """What is shown of one confirmatory measure."""
    label, rho = one.measured.label, one.rho
    if not one.n:
        return f"{label} was not measured."
    if one.n < FEWEST:
        return (
            f"{label} was measured in {counted(one.n, 'checkpoint')} only, and {FEWEST} are needed."
        )
    if rho.value is None:
        return f"{label} or success is the same in all {one.n} checkpoints: nothing can be said."
    value, _, interval = _estimate(rho).partition(" [")
    numbers = [f"ρ{SPACE}={SPACE}{value}"]
    if interval:
        numbers.append(f"95{SPACE}% interval [{interval}")
    if one.p_holm is not None:
        numbers.append(p_statement("Holm p", one.p_holm, ALPHA))
    said = f"({', '.join(numbers)})"
    if one.shown:
        higher = one.measured.measure.higher_is_better is not False
        if one.rightly:
            way = "higher" if higher else "lower"
            return f"{label} predicts success {said}: the {way} it is, the more goals are reached."
        return f"{label} goes with success the wrong way {said}: the better, the fewer goals."
    return f"{label} could not be told from no relation {said}: {_why(one)}."


def _why(one: Correlation) -> str:
    """Why a confirmatory measure is not shown to go with success."""
    if one.runs < FEWEST_GROUPS:
        return f"{counted(one.runs, 'training run')} give no interval, {FEWEST_GROUPS} are needed"
    if one.rho.low is None:
        return "success or the measure differs in too few checkpoints for an interval"
    if one.p_holm is None or (one.p_floor is not None and one.p_floor >= ALPHA):
        return "so few runs of equal size can change places that no test could show it"
    power = (
        f"at best, {one.n} checkpoints show a ρ beyond ±{number(one.detectable, 2)} with a power "
        f"of 80{SPACE}%"
    )
    if excludes_zero(one.rho):
        return f"the interval excludes 0, but exchanging whole runs gives as much; {power}"
    if one.p_holm < ALPHA:
        return f"the interval holds 0; {power}"
    return power


def training_length(study: Study) -> str:
    """What is left of shown correlations given the length of training."""
    shown = [one for one in study.confirmatory if one.shown]
    if not shown:
        return ""
    steps = {checkpoint.step for checkpoint in study.checkpoints}
    if len(steps) == 1:
        return "All were trained equally long." if None not in steps else ""
    parts = [
        f"{_name(one)} {_rho(one.partial)}" + ("" if _remains(one) else ", not told from 0")
        for one in shown
        if one.partial.value is not None
    ]
    return f"Given the length of training: {'; '.join(parts)}." if parts else ""


def _remains(one: Correlation) -> bool:
    same = (one.partial.value or 0.0) * (one.rho.value or 0.0) > 0
    return same and excludes_zero(one.partial)


def against_loss(study: Study) -> str:
    """Whether understanding does better than the validation loss."""
    loss = study.loss
    if loss is None or loss.rho.value is None:
        had = 0 if loss is None else loss.n
        return (
            f"The validation loss is known of {had} of {len(study.checkpoints)} checkpoints, so it "
            "cannot be compared with."
        )
    groups: dict[str, list[str]] = {"stronger": [], "weaker": [], "untold": []}
    for one in study.confirmatory:
        if one.gain.value is not None:
            side = "stronger" if one.gain.value > 0 else "weaker"
            told = side if excludes_zero(one.gain) else "untold"
            groups[told].append(f"{_name(one)} ({_estimate(one.gain)})")
    parts = []
    if groups["stronger"]:
        parts.append(f"more strongly related to success: {labels.listing(groups['stronger'])}")
    if groups["weaker"]:
        parts.append(f"less strongly: {labels.listing(groups['weaker'])}")
    if groups["untold"]:
        parts.append(f"not told apart: {labels.listing(groups['untold'])}")
    if not parts:
        return ""
    scale = ""
    if len(study.looks) > 1:
        scale = " Losses of different objectives are on different scales."
    return (
        f"Against the validation loss ({_rho(loss.rho)}), by the difference in absolute ρ: "
        f"{'; '.join(parts)}.{scale}"
    )


def exploratory(study: Study) -> str:
    """How many of the other measures have an interval without 0, and how many chance would give."""
    tried = [one for one in study.exploratory if one.rho.low is not None]
    if not tried:
        return ""
    found = [one for one in tried if excludes_zero(one.rho)]
    strongest = sorted(found, key=lambda one: -abs(one.rho.value or 0.0))[:NAMED]
    said = labels.listing([f"{_name(one)} ({_rho(one.rho)})" for one in strongest] or [""])
    chance = f"about {round(ALPHA * len(tried)) or 'none'}"
    among = "" if not found else f": {said}" if len(found) <= NAMED else f", most of all {said}"
    return (
        f"Of {counted(len(tried), 'exploratory measure')}, {len(found) or 'none'} "
        f"{'have' if len(found) > 1 else 'has'} an interval without 0{among}. Where nothing is "
        f"there, {chance} would, and none is corrected for the others."
    )


def families(study: Study) -> str:
    """The strongest confirmatory measure within single families."""
    best = study.best
    if best is None or len(study.looks) == 1:
        return ""
    parts, against = [], False
    for family, found in study.by_family.items():
        for one in found:
            if one.measured.name == best.measured.name and one.rho.value is not None:
                label = study.looks[family].label
                parts.append(f"{label} {_estimate(one.rho)} ({one.n} checkpoints)")
                against |= one.rho.value * (best.rho.value or 0.0) < 0
    if not parts:
        return "No family has enough checkpoints to be looked at by itself."
    turned = " In some it turns round, so families differ in more than this." if against else ""
    return f"{best.measured.label} within one family: {'; '.join(parts)}.{turned}"


def facts(study: Study) -> str:
    """What was compared: checkpoints, runs, families, pairs, and how far success went."""
    asked, success = study.asked, study.success
    counts = [f"{look.label} {study.families.count(name)}" for name, look in study.looks.items()]
    window = {"any": "reached at any step", "end": "reached at the end"}
    when = window.get(asked.window, labels.plain(asked.window))
    smallest = (
        f"{len(study.checkpoints)} independent checkpoints show a ρ beyond "
        f"±{number(detectable(len(study.checkpoints)), 2)}"
    )
    if study.runs < len(study.checkpoints):
        smallest += (
            f"; were those of a run worth no more than one, beyond "
            f"±{number(detectable(study.runs), 2)}"
        )
    return (
        f"{counted(len(study.checkpoints), 'checkpoint')} of {counted(study.runs, 'training run')} "
        f"({'; '.join(counts)}), planning by {labels.method(asked.solver)} on the same "
        f"{counted(study.outcomes.shape[1], 'pair')} of start and goal (rule “{asked.rule}”, "
        f"{when}). Success goes from {percent(_round(success.min()))} to "
        f"{percent(_round(success.max()))}. With a power of 80{SPACE}% at the strictest step of "
        f"Holm, {smallest}."
    )


def _round(share: float) -> float:
    return float(np.round(share, 3))


def _name(one: Correlation) -> str:
    """A label inside a sentence."""
    label = one.measured.label
    return label if label[:2].isupper() or label[:1] == "Δ" else label[:1].lower() + label[1:]


def _estimate(value: Estimate) -> str:
    if value.value is None or value.low is None:
        return number(value.value, 2)
    return estimate(value.value, value.low, value.high)


def _rho(value: Estimate) -> str:
    return f"ρ{SPACE}={SPACE}{_estimate(value)}"
