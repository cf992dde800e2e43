"""Tables of decoded latents: likeness to what was there, and what is read off the pictures."""

from __future__ import annotations

from typing import Any

from lewm_probe.reports import labels
from lewm_probe.reports.means import means, sample
from lewm_probe.reports.results_view import ANY, WorldView
from lewm_probe.reports.tables.table import SPAN, Column, Row, Table, comma, mean_cell, table, text
from lewm_probe.results.schema import Metric

LIKE = {"psnr": "PSNR (dB)", "ssim": "SSIM"}
SHARED = ("mean", "copy_last", "true_pictures")
"""Controls that no model has a part in: one row for all."""


def likeness_table(view: WorldView) -> Table | None:
    """PSNR and SSIM of frames and of each horizon."""
    found = view.pick("decode", tuple(LIKE), control=ANY)
    rows = [
        row
        for metric, title in LIKE.items()
        for row in _rows(view, [m for m in found if m.metric == metric], title)
    ]
    return table(
        f"{view.world}-decode-likeness",
        "Decoded latents beside what was there",
        f"Unperturbed trajectories that no decoder was trained on{comma(sample(found))}. Frames: "
        "drawn from their own latents; k: imagined k blocks ahead from the true actions, then "
        "drawn. Mean: the mean training picture, which has the white floor for nothing. Encoded "
        "latents: the frame itself, encoded and drawn, which no rollout of this decoder can beat. "
        f"95 % intervals over trajectories are in the CSV. {SPAN}",
        _columns(found),
        rows,
    )


def reading_table(view: WorldView) -> Table | None:
    """R² of quantities read off the pictures."""
    found = view.pick("decode", "r2", control=ANY)
    subjects = dict.fromkeys((m.subject, m.method) for m in found)
    rows = []
    for subject, method in subjects:
        own = [m for m in found if (m.subject, m.method) == (subject, method)]
        title = f"{labels.sentence(labels.quantity(subject or ''))}, {labels.method(method)} probe"
        rows += _rows(view, own, title)
    return table(
        f"{view.world}-decode-reading",
        "Quantities read off decoded latents",
        f"R² of probes that were fitted to true pictures{comma(sample(found))} and read drawn "
        "ones. True pictures: the same probes on those; what even they cannot read there says "
        "nothing of a model. A sharp picture of the wrong place has a low R². A probe takes "
        "whatever tells a quantity, such as the place of a block that the agent pushes: where that "
        "is so, the agent is read well although it is not drawn. 95 % intervals over trajectories "
        "are in the CSV.",
        _columns(found),
        rows,
    )


def _columns(found: list[Metric]) -> list[Column]:
    horizons = sorted({m.horizon for m in found if m.horizon is not None})
    return [
        Column("what", "Model or control", numeric=False),
        Column("frames", "frames"),
        *(Column(f"k{k}", f"k = {k}") for k in horizons),
    ]


def _rows(view: WorldView, found: list[Metric], group: str) -> list[Row]:
    controls = sorted({m.control for m in found}, key=labels.control_order)
    rows = []
    for control in controls:
        mine = [m for m in found if m.control == control]
        if control in SHARED:
            rows.append(_row(labels.sentence(labels.control(control)), mine, group, quiet=True))
            continue
        for model in view.models:
            own = [m for m in mine if m.model == model]
            if own:
                name = view.label(model) + (f", {labels.control(control)}" if control else "")
                rows.append(_row(name, own, group, quiet=control is not None))
    return rows


def _row(name: str, found: list[Metric], group: str, *, quiet: bool) -> Row:
    cells: dict[str, Any] = {"what": text(name)}
    for mean in means(found, "horizon"):
        k = mean.key["horizon"]
        cells["frames" if k is None else f"k{k}"] = mean_cell(mean, bare=True)
    return Row(cells, group=group, quiet=quiet)
