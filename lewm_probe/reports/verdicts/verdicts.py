"""Plain-language verdicts, one for each question and model, by rules fixed before the data.

A rule is applied to every checkpoint (training seed) on its own, at the suite's level α and with
its intervals over trajectories. All questions share it (``judging.grade``):

- *yes*: the effect's interval lies above chance, that of its gain over every required baseline
  above 0, and ``p_beyond_holm`` (the largest p of them all) is below α;
- *noticed*: the first alone, with ``p_noticed_holm`` below α; the baseline that does as well, or
  that is missing, is named;
- *no*: the interval lies below chance; *not shown*: the rest.

What the effect and the baselines are:

- *conditions and doses*: AUROC of surprise at onset, against copy-last, linear extrapolation and
  pixel difference in the direction that serves them, a random encoder, and a predictor that is
  blind to actions. A sweep's p is the smallest over its doses after Holm over them.
- *teleport against colour*: the log ratio of surprise over the colour's; beyond: also over that of
  a colour change matched in pixels. Colour alone is called within the bound when TOST shows it,
  never because a test was not significant.
- *position and angle*: the probe's squared error below that of the mean predictor; beyond: below
  those of random weights and of pixel PCA.
- *straightness*: S above that of pixels; beyond: above that of random weights.

Holm runs over all tests of the result, each of the two p on its own: where nothing is there, at
most a share α of reports holds a "yes" (measured in reports/calibration). Several checkpoints get
the grade that all of them reach, else "mixed". A statement about the method needs at least
``judging.FEW`` training seeds; below that it is about "these checkpoints".
"""

from __future__ import annotations

from lewm_probe.reports import labels
from lewm_probe.reports.page.parts import on_the_page, parts
from lewm_probe.reports.results_view import ANY, WorldView
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


def without_tests(view: WorldView) -> str:
    """What to do about results of earlier versions, which hold no tests for verdicts; or nothing.

    Such results have something to ask about, but no corrected p.
    """
    analyses = ("voe", "probe", "straightness")
    asked = any(view.pick(a, ("auroc", "mse", "cosine"), subject=ANY) for a in analyses)
    tested = any(view.pick(a, "p_noticed_holm", versus=ANY, subject=ANY) for a in analyses)
    if tested or not asked:
        return ""
    return (
        "These results were made by an earlier version, without the tests that verdicts rest on: "
        "no verdict is given. Run the audit again."
    )


def cautions(view: WorldView) -> dict[str, str]:
    """Models whose calm or straightness must not be believed, and why."""
    found: dict[str, list[str]] = {}
    for part in parts():
        for model, reasons in part.cautions(view).items() if part.cautions else ():
            found.setdefault(model, []).extend(reasons)
    return {model: labels.listing(reasons) for model, reasons in found.items()}
