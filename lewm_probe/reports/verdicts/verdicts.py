"""Plain-language verdicts, one for each question and model, by rules fixed before the data.

A rule is applied to every checkpoint (training seed) on its own, at the suite's level α (0.05) and
its 95 % intervals over trajectories:

- *teleport*: at the onset frame the interval of AUROC lies above 0.5, and the Holm-adjusted p of
  the paired t-test is below α (a raw p counts for conditions outside the confirmatory family, and
  is called exploratory).
- *step-sized teleport* and *swapped actions*: the same, and the interval of ΔAUROC over copy-last
  lies above 0. A jump detector passes the first rule, not this one.
- *frozen*, *passing through* and *fast-forward*: as for step-sized teleports. Cases in which
  nothing would show were left out by the analysis; each answer names its n.
- *small doses* of a violation: at some dose the interval of ΔAUROC over copy-last lies above 0 and
  that of AUROC above 0.5. Several doses are looked at without adjustment: exploratory.
- *teleport against colour*: the interval of the paired log ratio of surprise, teleport over colour,
  lies above 0, and the p of its paired t-test is below α. Of several, the paper's pair is asked
  about. Colour alone is called within the bound when TOST shows it, never because a test was not
  significant.
- *position* and *angle*: the interval of the linear probe's MSE lies wholly below that of the same
  architecture with random weights.
- *straightness*: the interval of S lies wholly above those of pixels and of random weights.

"Yes" needs every checkpoint; "mixed" says in how many; "no" means that the interval lies on the
other side in all of them; everything else is "not shown", which is not "no". A statement about the
method needs at least ``judging.FEW`` training seeds; below that it is about "these checkpoints".
"""

from __future__ import annotations

from lewm_probe.analyses.straightness.report.questions import latent_questions
from lewm_probe.analyses.voe.report.questions import surprise_questions
from lewm_probe.analyses.voe.report.tables import diagnostic
from lewm_probe.reports import formatting, labels
from lewm_probe.reports.results_view import WorldView
from lewm_probe.reports.verdicts.judging import VerdictQuestion

COLLAPSED_RANK = 2.0
"""Below this effective rank the latents are a line or a point."""


def questions(view: WorldView) -> list[VerdictQuestion]:
    """Every question that these results speak to, with verdicts for every model."""
    return [
        question
        for question in (*surprise_questions(view), *latent_questions(view))
        if any(verdict.answer != "not measured" for verdict in question.verdicts)
    ]


def cautions(view: WorldView) -> dict[str, str]:
    """Models whose calm or straightness must not be believed, and why."""
    found = {}
    for model in view.models:
        rank = diagnostic(view, "effective_rank", model)
        clean = diagnostic(view, "clean_over_copy_last", model)
        reasons = []
        if rank and min(rank.values) < COLLAPSED_RANK:
            reasons.append(
                "its latents have an effective rank of "
                f"{formatting.number(min(rank.values), 1)}: it has all but collapsed, and a "
                "collapsed model is calm and straight everywhere"
            )
        if clean and max(clean.values) > 1:
            reasons.append(
                "on clean data it predicts worse than copying the last latent (ratio "
                f"{formatting.number(max(clean.values), 2)}): statistics, frame-skip or images "
                "may not fit this checkpoint"
            )
        if reasons:
            found[model] = labels.listing(reasons)
    return found
