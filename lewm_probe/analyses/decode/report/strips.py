"""The strips of pictures that a result holds, found by the names of its checkpoints."""

from __future__ import annotations

import numpy as np

from lewm_probe.analyses.decode import names
from lewm_probe.reports.figures.sheet import Strip, first_entries
from lewm_probe.reports.results_view import WorldView
from lewm_probe.results.schema import ModelEntry


def strip(view: WorldView, kind: str, entry: ModelEntry, case: int = 0) -> np.ndarray | None:
    """A strip of a checkpoint, if the result holds it."""
    name = names.strip_name(kind, view.world, entry.name, entry.train_seed, entry.step, case)
    return view.images.get(name)


def beside_truth(view: WorldView, kind: str, case: int = 0) -> list[Strip]:
    """What was there, above what each model drew; once for models that were asked the same."""
    rows: list[Strip] = []
    shown: np.ndarray | None = None
    for model, entry in first_entries(view).items():
        drawn = strip(view, kind, entry, case)
        true = strip(view, names.TRUE + kind, entry, case)
        if drawn is None or true is None or len(drawn) != len(true):
            continue
        if shown is None or not np.array_equal(true, shown):
            rows.append(Strip("What was there", true, true=True))
            shown = true
        rows.append(Strip(view.label(model), drawn))
    return rows


def steps(view: WorldView, model: str) -> list[int]:
    """Earlier steps of a model's first training seed that were drawn, in order."""
    entry = first_entries(view)[model]
    found = {
        row.step
        for row in view.pick_all_steps("decode", "psnr", model=model, horizon=None)
        if row.train_seed == entry.train_seed and row.step not in (None, entry.step)
    }
    return sorted(step for step in found if step is not None)
