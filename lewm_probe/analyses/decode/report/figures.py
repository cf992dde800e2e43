"""Contact sheets: frames drawn again, rollouts, violations, and frames over training."""

from __future__ import annotations

from collections.abc import Mapping

from lewm_probe.analyses.decode import names
from lewm_probe.analyses.decode.report.strips import beside_truth, steps, strip
from lewm_probe.reports.figures.sheet import Strip, first_entries, sheet
from lewm_probe.reports.figures.style import Plot
from lewm_probe.reports.results_view import WorldView

MOST_CASES = 8
"""That a suite may ask for."""

CAN = (
    "A decoder draws what the latents determine about frames like those it was trained on, "
    "afterwards and as no part of the model’s loss: what is sharp may be what all these frames "
    "share, and what is blurred or missing was not learned from these latents in {steps} steps, "
    "which is no proof that they lack it; probes ask that."
)
"""What such pictures can and cannot show."""


def can(view: WorldView) -> str:
    """The same, with the steps of this result."""
    return CAN.format(steps=view.setting("decode", "steps", default=600))


def frames_plot(view: WorldView) -> Plot | None:
    """Held-out frames and what is drawn of their latents."""
    rows = beside_truth(view, names.FRAMES)
    if not rows:
        return None
    for entry in first_entries(view).values():
        untrained = strip(view, f"{names.FRAMES}-random", entry)
        if untrained is not None:
            rows.append(Strip("Random weights", untrained))
            break
    return Plot(
        f"{view.world}-decode-frames",
        "Held-out frames, drawn from their latents",
        "Frames of as many unperturbed trajectories that no decoder was trained on. Random "
        "weights: a decoder trained alike on latents of an untrained encoder. Each model’s first "
        "training seed. At column width, the first four.",
        lambda width: sheet([rows], width),
        themed=False,
    )


def rollouts_plot(view: WorldView) -> Plot | None:
    """What is imagined, at growing horizons."""
    groups = [beside_truth(view, names.ROLLOUT, case) for case in range(MOST_CASES)]
    groups = [rows for rows in groups if rows]
    if not groups:
        return None
    columns = len(groups[0][0].pictures)
    asked = sorted(set(view.setting("decode", "horizons", default=())))[: columns - 1]
    heads = ["last seen", *(f"k = {k}" for k in asked)]
    return Plot(
        f"{view.world}-decode-rollouts",
        "Imagined rollouts, decoded",
        "From the frame last seen on, a model imagines latents k blocks ahead from the true "
        "actions alone; the decoder, trained on encoded frames, draws them. Each model’s first "
        "training seed.",
        lambda width: sheet(groups, width, heads),
        themed=False,
    )


def violations_plot(view: WorldView) -> Plot | None:
    """What was expected at the moment of a violation, and what came."""
    groups = []
    for case in range(MOST_CASES):
        rows = [
            Strip(view.label(model), found)
            for model, entry in first_entries(view).items()
            if (found := strip(view, names.VIOLATION, entry, case)) is not None
            and len(found) == len(names.VIOLATED)
        ]
        groups += [rows] if rows else []
    if not groups:
        return None
    return Plot(
        f"{view.world}-decode-violations",
        "What was expected, and what came",
        f"{_violation(view)} before t₀, in as many cases. Left to right: the last frame before; "
        "what would have come otherwise; the prediction of t₀, decoded; what came (framed); its "
        "own encoding, decoded. Surprise is the distance of the third and the fifth as latents.",
        lambda width: sheet(groups, width, names.VIOLATED, framed=3),
        themed=False,
    )


def _violation(view: WorldView) -> str:
    """The violation that ``decode.expected`` chose, as readers say it."""
    stated = [
        one
        for one in view.setting("voe", "conditions", default=())
        if isinstance(one, Mapping) and one.get("expected") == "violation"
    ]
    stated = [one for one in stated if not one.get("matched_to")]
    chosen = [one for one in stated if one.get("kind") == "teleport"] or stated
    return view.condition(str(chosen[0].get("name"))) if chosen else "A violation"


def training_plot(view: WorldView) -> Plot | None:
    """The same frames at earlier steps of each run, a decoder each."""
    groups = []
    for model, entry in first_entries(view).items():
        earlier = [
            Strip(f"step {step:,}", found)
            for step in steps(view, model)
            if (found := strip(view, names.FRAMES, entry.model_copy(update={"step": step})))
            is not None
        ]
        own, true = strip(view, names.FRAMES, entry), strip(view, names.TRUE + names.FRAMES, entry)
        if earlier and own is not None and true is not None:
            last = "final" if entry.step is None else f"step {entry.step:,}"
            truth = Strip(f"{view.label(model)}: true", true, true=True)
            groups.append([truth, *earlier, Strip(last, own)])
    if not groups:
        return None
    return Plot(
        f"{view.world}-decode-training",
        "Held-out frames over training",
        "Checkpoints of each model’s first training seed, each with a decoder of its own that was "
        "trained alike: what changes from row to row is what the latents say.",
        lambda width: sheet(groups, width),
        themed=False,
    )
