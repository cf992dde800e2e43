"""Filmstrips of one matched case: the same frames, unperturbed and under each condition."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from lewm_probe.reports.figures.style import FULL, Plot
from lewm_probe.reports.palette import FAINT, INK
from lewm_probe.reports.results_view import WorldView
from lewm_probe.results.analyses import ANALYSES

FRAME = "#d4006a"
"""The frame around the perturbed image: a colour that no model has."""


def strips(view: WorldView) -> dict[str, np.ndarray]:
    """Condition → uint8 (T, H, W, 3) of this world, the reference first, then in table order."""
    prefix = f"film-{view.world}-"
    # Of other worlds, and of other analyses; names of earlier versions are those of conditions.
    analyses = {*ANALYSES.names(), *view.analyses}
    others = ("film-", *(f"{name}-" for name in sorted(analyses)))
    clips = {
        name.removeprefix(prefix): clip
        for name, clip in view.images.items()
        if name.startswith(prefix) or not name.startswith(others)
    }
    known = [c for c in ("reference", *view.conditions()) if c in clips]
    rest = sorted(set(clips) - set(known)) if known else []
    return {name: clips[name] for name in (*known, *rest)}


def onset(clips: dict[str, np.ndarray]) -> int | None:
    """The first frame in which any condition differs from the reference: matched until then.

    Strips of another moment, which differ from the first frame on, have t₀ at the same place.
    """
    reference = clips.get("reference")
    if reference is None:
        return None
    firsts = [
        int(np.flatnonzero((clip != reference).any(axis=(1, 2, 3)))[0])
        for clip in clips.values()
        if clip.shape == reference.shape and (clip != reference).any()
    ]
    return min((first for first in firsts if first > 0), default=min(firsts, default=None))


def filmstrip_plot(view: WorldView) -> Plot | None:
    """A row a condition, the frame of the intervention framed."""
    clips = strips(view)
    t0 = onset(clips)
    if t0 is None:
        return None
    length = max(len(clip) for clip in clips.values())
    elsewhere = any((clip[0] != clips["reference"][0]).any() for clip in clips.values())

    def draw(width: float) -> Figure:
        # Half a page is too narrow for every frame: the two before t0 and those after stay.
        first = 0 if width >= FULL else max(0, t0 - 2)
        last = length if width >= FULL else min(length, t0 + 3)
        shown = range(first, last)
        label = 1.25 if width >= FULL else 0.95
        side = (width - label - 0.05) / len(shown)
        height = side * len(clips) + 0.25
        figure = Figure(figsize=(width, height))
        for row, (name, clip) in enumerate(clips.items()):
            bottom = (height - 0.22 - side * (row + 1)) / height
            for column, t in enumerate(shown):
                if t >= len(clip):
                    continue
                box = (
                    (label + column * side + 0.02) / width,
                    bottom + 0.02 / height,
                    (side - 0.04) / width,
                    (side - 0.04) / height,
                )
                ax = figure.add_axes(box)
                ax.imshow(clip[t], interpolation="none")
                ax.set(xticks=[], yticks=[])
                same = name == "reference" or (clip[t] == clips["reference"][t]).all()
                marked = t == t0 and name != "reference"
                for spine in ax.spines.values():
                    spine.set(visible=True, color=FAINT, linewidth=0.5)
                if marked:
                    frame = Rectangle(
                        (0, 0),
                        1,
                        1,
                        transform=ax.transAxes,
                        fill=False,
                        edgecolor=FRAME,
                        linewidth=1.6,
                        linestyle=(0, (2, 1.2)) if same else "-",
                        clip_on=False,
                        zorder=5,
                    )
                    ax.add_patch(frame)
                if row == 0:
                    at = t - t0
                    text = "t₀" if at == 0 else f"t₀{'+' if at > 0 else '−'}{abs(at)}"
                    ax.set_title(text, fontsize=7, pad=2)
            title = view.condition(name)
            figure.text(
                (label - 0.06) / width,
                bottom + side / height / 2,
                _wrapped(title),
                ha="right",
                va="center",
                fontsize=7,
                color=INK,
            )
        return figure

    return Plot(
        f"{view.world}-filmstrip",
        "What the models saw",
        "One matched case: same start, seed and actions, byte-identical before t₀. Framed: the "
        "frame of the intervention; dashed where the images stay as they were and only the "
        "actions given to the model change, or where the change is not yet seen. "
        "At column width, only frames around t₀." + (_ELSEWHERE if t0 > 0 and elsewhere else ""),
        draw,
        themed=False,
    )


_ELSEWHERE = (
    " Conditions that need an event which this case lacks at t₀, such as a push, are shown at "
    "another moment or in another case."
)


def _wrapped(title: str) -> str:
    words_, lines = title.split(" "), [""]
    for word in words_:
        if lines[-1] and len(lines[-1]) + len(word) > 12:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return "\n".join(lines)
