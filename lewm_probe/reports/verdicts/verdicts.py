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

from lewm_probe.reports import labels
from lewm_probe.reports.page.parts import on_the_page, parts
from lewm_probe.reports.results_view import WorldView
from lewm_probe.reports.verdicts.judging import VerdictQuestion


def questions(view: WorldView) -> list[VerdictQuestion]:
    """Every question that these results speak to, with verdicts for every model."""
    return [
        question
        for part in on_the_page()
        if part.questions
        for question in part.questions(view)
        if any(verdict.answer != "not measured" for verdict in question.verdicts)
    ]


def cautions(view: WorldView) -> dict[str, str]:
    """Models whose calm or straightness must not be believed, and why."""
    found: dict[str, list[str]] = {}
    for part in parts():
        for model, reasons in part.cautions(view).items() if part.cautions else ():
            found.setdefault(model, []).extend(reasons)
    return {model: labels.listing(reasons) for model, reasons in found.items()}
