"""Violation-of-expectation tables: the main one, baselines, windows, contrasts, collapse."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from lewm_probe.analyses.geometry.report.collapse import diagnostic
from lewm_probe.analyses.voe.report.baselines import ONSET, best_gain, detector
from lewm_probe.reports import formatting, labels
from lewm_probe.reports.means import Mean, means, preferred, samples
from lewm_probe.reports.paper import paper_values
from lewm_probe.reports.results_view import ANY, WorldView
from lewm_probe.reports.tables.table import (
    SPAN,
    Cell,
    Column,
    Row,
    Table,
    cell,
    count_cell,
    largest_p,
    mean_cell,
    table,
    text,
)
from lewm_probe.reports.verdicts.judging import alpha
from lewm_probe.results.schema import Metric

WINDOWS = ("onset", "transient", "steady")


def voe_tables(view: WorldView) -> list[Table]:
    """All tables of violation of expectation that the results carry."""
    found = [
        _main(view),
        collapse_table(view),
        baselines_table(view),
        _windows(view),
        _contrasts(view),
        _by_checkpoint(view),
    ]
    return [one for one in found if one is not None]


_PS = ("p_ttest", "p_wilcoxon", "p_noticed_holm", "p_beyond_holm", "p_equivalence")
_MODEL = Column("model", "Model", numeric=False)
_N = Column("n", "n")
_COLUMNS = (
    Column("auroc_onset", "AUROC onset [95\N{NO-BREAK SPACE}%]"),
    Column("auroc_mean_after", "AUROC trajectory [95\N{NO-BREAK SPACE}%]"),
    Column("auroc_max_after", "AUROC, maximum"),
    Column("gain", "gain over the best baseline [95\N{NO-BREAK SPACE}%]"),
    Column("best", "best baseline", numeric=False),
    Column("pairwise_accuracy", "pairwise accuracy"),
    Column("detection_at_5fp", "detected at 5\N{NO-BREAK SPACE}% FP"),
    Column("d_z", "d_z [95\N{NO-BREAK SPACE}%]"),
    Column("p_ttest", "p, paired t"),
    Column("p_wilcoxon", "p, Wilcoxon"),
    Column("p_noticed_holm", "p noticed, Holm"),
    Column("p_beyond_holm", "p beyond, Holm"),
    Column("p_equivalence", "p, TOST"),
    _N,
)


def _main(view: WorldView) -> Table | None:
    rows = []
    for condition in view.conditions():
        for model in view.models:
            cells = _cells(view, condition, model)
            if cells:
                paper = paper_values().finding(view.world, view.family(model), condition)
                cells |= {"model": text(view.label(model)), "paper": text(paper)}
                rows.append(Row(cells, group=_group(view, condition)))
    n = samples(
        view.pick("voe", "auroc", window=ONSET),
        " matched pairs of trajectories a condition",
        view.condition,
    )
    ratio = unimportant(view)
    return table(
        f"{view.world}-voe",
        "Violation of expectation",
        f"{f'{n}. ' if n else ''}"
        "AUROC of surprise, perturbed against unperturbed: at the onset frame, and for the mean "
        "and the maximum over all frames from it. Gain: AUROC minus that of the best baseline, "
        "each in the direction chosen on other trajectories. Pairwise accuracy: share of pairs in "
        "which the perturbed one surprises more. Detection rate: above the 95 % quantile of "
        "disjoint unperturbed trajectories at onsets of the same kind. d_z of the paired log ratio "
        "of surprise at onset. P noticed: AUROC not above 0.5; p beyond: that, or no gain over "
        "some baseline (the largest p); both one-sided, Holm over all tests of this result. Raw "
        "and descriptive: paired t-test and Wilcoxon (one-sided for teleports, two-sided for the "
        f"rest), TOST within ± log {ratio:g}. {SPAN} P: the largest.{_detectable(view)} "
        f"Paper: {paper_values().sources['lewm_paper']}.",
        [_MODEL, *_COLUMNS, Column("paper", "paper (t-test)", numeric=False)],
        rows,
    )


def _by_checkpoint(view: WorldView) -> Table | None:
    rows = []
    for condition in view.conditions():
        for model in view.models:
            seeds = view.checkpoints(model)
            for seed in seeds if len(seeds) > 1 else []:
                cells = _cells(view, condition, model, train_seed=seed)
                if cells:
                    named = {"model": text(view.label(model)), "train_seed": Cell(f"{seed}", seed)}
                    rows.append(Row(named | cells, group=_group(view, condition)))
    return table(
        f"{view.world}-voe-checkpoints",
        "Violation of expectation, checkpoint by checkpoint",
        "As the main table, one row a training seed.",
        [_MODEL, Column("train_seed", "seed"), *_COLUMNS],
        rows,
    )


def _cells(view: WorldView, condition: str, model: str, **keys: Any) -> dict[str, Cell]:
    """The statistics of one condition and model: means over seeds, and the largest p."""
    at = {"subject": condition, "model": model, **keys}

    def mean(metric: str, window: Any = ONSET, **more: Any) -> Mean | None:
        return view.mean("voe", metric, window=window, **at, **more)

    onset = mean("auroc")
    gain = best_gain(view, **at)
    named = labels.control(gain[0].name) + (" (flipped)" if gain[0].flipped else "") if gain else ""
    cells = {
        "auroc_onset": mean_cell(onset, decimals=3),
        "auroc_mean_after": mean_cell(mean("auroc", "mean_after"), decimals=3),
        "auroc_max_after": mean_cell(mean("auroc", "max_after"), decimals=3, bare=True),
        **({"gain": mean_cell(gain[1], decimals=3), "best": text(named)} if gain else {}),
        "pairwise_accuracy": mean_cell(mean("pairwise_accuracy"), decimals=3, bare=True),
        "detection_at_5fp": mean_cell(mean("detection_at_5fp"), decimals=3, bare=True),
        "d_z": mean_cell(mean("d_z"), decimals=2),
        **{
            p: largest_p(preferred(view.pick("voe", p, window=ONSET, **at)), alpha(view))
            for p in _PS
        },
        "n": _n(onset or mean("delta_log_surprise")),
    }
    return cells if any(c.value is not None for c in cells.values()) else {}


def _n(mean: Mean | None) -> Cell:
    return count_cell(mean.n, mean.n_high) if mean else Cell("")


def baselines_table(view: WorldView) -> Table | None:
    """AUROC at onset of the model beside what needs no learned dynamics."""
    found = preferred(view.pick("voe", "auroc", window=ONSET, control=ANY))
    controls = sorted({row.control for row in found}, key=labels.control_order)
    if not any(controls):
        return None
    rows = []
    for condition in view.conditions():
        for model in view.models:
            mine = [r for r in found if r.subject == condition and r.model == model]
            at = {"subject": condition, "model": model}
            own = next(iter(means(r for r in mine if r.control is None)), None)
            cells = {"self": mean_cell(own, decimals=3)} if own else {}
            for control in dict.fromkeys(row.control for row in mine if row.control):
                if one := detector(view, control, **at):
                    found_cell = mean_cell(one.auroc, decimals=3)
                    turned = f"{found_cell.text} flipped" if one.flipped else found_cell.text
                    cells[control] = replace(found_cell, text=turned)
            if cells:
                named = {"model": text(view.label(model))}
                n = {"n": _n(next(iter(means(mine)), None))}
                rows.append(Row(named | cells | n, group=_group(view, condition)))
    return table(
        f"{view.world}-voe-baselines",
        "AUROC at onset beside baselines",
        "The model’s surprise against simpler detectors: copy last and linear extrapolation in its "
        "own latent space, differences of pixels, a predictor trained on random encoders (mean of "
        "their seeds), and one trained on the model’s own latents without actions. Flipped: used "
        "the other way round, calm as alarm, as chosen on other trajectories. Intervals 95 %"
        f"{_semicolon(samples(found, say=view.condition))}. {SPAN}",
        [_MODEL, *(Column(control or "self", labels.control(control)) for control in controls), _N],
        rows,
    )


def reading(view: WorldView, condition: str, model: str) -> str:
    """What the course of surprise after the onset says, or an empty string.

    A window counts as raised when the interval of the mean log ratio lies above zero in every
    checkpoint. That an image was never seen is claimed by a stricter rule (``stays_raised``).
    """
    raised = {}
    for window in WINDOWS:
        found = _log_ratio(view, condition, model, window)
        lows = [row.ci_low for row in found if row.ci_low is not None]
        if found and len(lows) == len(found):
            raised[window] = min(lows) > 0
    if "steady" not in raised or "onset" not in raised:
        return ""
    if raised["steady"]:
        if not stays_raised(view, condition, model):
            return f"persists, not shown to be above ×{unimportant(view):g}"
        appearance = view.expectation(condition) == "appearance"
        return "persists: never saw such an image" if appearance else "persists"
    return "decays" if raised["onset"] else "no rise shown"


def unimportant(view: WorldView) -> float:
    """The ratio of surprise that the suite counts as no effect: the bound of its TOST."""
    return view.number("voe", "equivalence_ratio", default=1.25, above=1, below=1e6)


def stays_raised(view: WorldView, condition: str, model: str) -> bool:
    """Whether surprise is raised in the steady state by more than what counts as no effect.

    In every checkpoint the 95 % interval of the ratio lies wholly above the suite's bound. Where
    the true ratio is the bound itself this is wrong in about 2.5 % of checkpoints (``too_high`` of
    means in reports/calibration), where it is smaller in fewer: a rise of less than a percent,
    however well measured, does not call an image new.
    """
    found = _log_ratio(view, condition, model, "steady")
    bound = math.log(unimportant(view))
    return bool(found) and all(row.ci_low is not None and row.ci_low > bound for row in found)


def _windows(view: WorldView) -> Table | None:
    rows = []
    for condition in view.conditions():
        for model in view.models:
            cells: dict[str, Cell] = {}
            for window in WINDOWS:
                for mean in means(_log_ratio(view, condition, model, window)):
                    cells.setdefault("n", _n(mean))
                    cells[window] = factor_cell(mean)
            if cells:
                cells["model"] = text(view.label(model))
                cells["reading"] = text(reading(view, condition, model))
                rows.append(Row(cells, group=_group(view, condition)))
    return table(
        f"{view.world}-voe-windows",
        "How long the surprise lasts",
        "Surprise of the perturbed trajectory over that of its unperturbed twin (geometric mean "
        "of the ratio, 95 %): at the onset t₀, in the transient t₀ … t₀+H−1, and in the steady "
        "state from t₀+H on, where the whole history H of the model is perturbed too. Persists: "
        f"the interval of the steady state lies above ×{unimportant(view):g} in every checkpoint. "
        "After a change of appearance that says that the model never saw such an image, not that "
        f"it finds it impossible. {SPAN}",
        [
            _MODEL,
            Column("onset", "× at onset"),
            Column("transient", "× transient"),
            Column("steady", "× steady"),
            Column("reading", "Reads as", numeric=False),
            _N,
        ],
        rows,
    )


def contrasts(view: WorldView) -> list[tuple[str, str]]:
    """(condition, other condition) pairs that were compared directly."""
    found = view.pick("voe", ("delta_log_surprise", "p_ttest"), versus=ANY)
    return list(dict.fromkeys((r.subject, r.versus) for r in found if r.subject and r.versus))


def main_pair(view: WorldView) -> tuple[str, str]:
    """The teleport and the recolouring to be set against each other; empty where there is none.

    They are the paper's where they were measured, else a pair that was compared directly, the
    first one. Colours matched to a violation are no part of it: they stand beside the plain one.
    """
    paper = paper_values().pair(view.world)
    teleports = [c for c in view.conditions() if view.kind(c) == "teleport"]
    colors = [
        c
        for c in view.conditions()
        if view.kind(c) == "color" and not view.stated(c).get("matched_to")
    ]
    pairs = [(a, b) for a in teleports or [""] for b in colors or [""]]
    compared = contrasts(view)
    teleport, color = paper or ("", "")
    # The sort is stable: pairs that are alike stay in order of display.
    pairs.sort(key=lambda p: (p != paper, p not in compared, p[0] != teleport, p[1] != color))
    return pairs[0]


def _contrasts(view: WorldView) -> Table | None:
    rows = []
    for subject, versus in contrasts(view):
        for model in view.models:
            at = {"subject": subject, "versus": versus, "model": model, "window": ONSET}
            mean = view.mean("voe", "delta_log_surprise", **at)
            cells = {
                p: largest_p(view.pick("voe", p, **at), alpha(view))
                for p in ("p_ttest", "p_wilcoxon", "p_noticed_holm")
            }
            if mean:
                cells["factor"] = factor_cell(mean)
            if any(c.value is not None for c in cells.values()):
                cells |= {"model": text(view.label(model)), "n": _n(mean)}
                group = f"{view.condition(subject)}, against {view.condition(versus).lower()}"
                rows.append(Row(cells, group=group))
    return table(
        f"{view.world}-voe-contrasts",
        "Conditions compared directly",
        "Paired over the same trajectories at onset: surprise under the first condition over "
        "surprise under the second (geometric mean of the ratio, 95 %). “Matched”: a change of "
        "appearance that alters pixels as much as the violation does, or as nearly as it can (a "
        "note says where it cannot). Holm: one-sided paired t, "
        "corrected over all tests of this result, for the pairs that a verdict rests on; the other "
        f"p are raw and descriptive. {SPAN} P: the largest.",
        [
            _MODEL,
            Column("factor", "ratio of surprise [95\N{NO-BREAK SPACE}%]"),
            Column("p_ttest", "p, paired t"),
            Column("p_wilcoxon", "p, Wilcoxon"),
            Column("p_noticed_holm", "p, Holm"),
            _N,
        ],
        rows,
    )


_DIAGNOSTICS = {
    "trace_cov": "tr Cov z",
    "effective_rank": "effective rank",
    "clean_over_copy_last": "clean s / s copy-last",
    "action_swap_auroc": "action-swap AUROC",
}


def collapse_table(view: WorldView) -> Table | None:
    """Diagnostics that a collapsed model fails: they stand beside every surprise table."""
    rows = []
    for model in view.models if view.conditions() else []:
        cells = {key: mean_cell(diagnostic(view, key, model)) for key in _DIAGNOSTICS}
        if any(c.value is not None for c in cells.values()):
            rows.append(Row({"model": text(view.label(model)), **cells}))
    return table(
        f"{view.world}-voe-collapse",
        "Is the model calm because it collapsed?",
        "A collapsed model is calm everywhere. Healthy: effective rank well above 1, surprise on "
        "clean data below that of copying the last latent (ratio < 1), swapped actions told "
        f"apart (AUROC well above 0.5). Intervals 95 %. {SPAN}",
        [_MODEL, *(Column(key, title) for key, title in _DIAGNOSTICS.items())],
        rows,
    )


def factor_cell(mean: Mean) -> Cell:
    """A mean log ratio as the ratio."""
    ends = (factor(end) for end in (mean.value, mean.low, mean.high))
    return cell(*ends, span=mean.checkpoints > 1)


def times(mean: Mean) -> str:
    """The same in a sentence, with its interval."""
    ends = (factor(end) for end in (mean.value, mean.low, mean.high))
    return f"×{formatting.estimate(*ends, span=mean.checkpoints > 1)}"


def factor(log_ratio: float | None) -> float | None:
    """exp, or nothing when it would overflow."""
    return math.exp(log_ratio) if formatting.known(log_ratio) and log_ratio < 700 else None


def _log_ratio(view: WorldView, condition: str, model: str, window: str) -> list[Metric]:
    return view.pick("voe", "delta_log_surprise", subject=condition, model=model, window=window)


def _group(view: WorldView, condition: str) -> str:
    kind = labels.EXPECTATIONS[view.expectation(condition)]
    return f"{view.condition(condition)} ({kind})"


def _detectable(view: WorldView) -> str:
    """The smallest effect that the trajectories of a condition can see, from fewest to most."""
    rows = view.pick("voe", "smallest_detectable_d_z", subject=ANY)
    found = sorted({round(row.value, 3) for row in rows if row.value is not None})
    if not found:
        return ""
    ends = " to ".join(formatting.number(v, 2) for v in dict.fromkeys((found[0], found[-1])))
    return f" Smallest effect that so many can see after Holm: d_z = {ends}."


def _semicolon(n: str) -> str:
    return f"; {n}" if n else ""
