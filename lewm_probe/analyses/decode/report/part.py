"""What is shown of decoded latents."""

from __future__ import annotations

from collections.abc import Iterator

from lewm_probe.analyses.decode.report.figures import (
    can,
    frames_plot,
    rollouts_plot,
    training_plot,
    violations_plot,
)
from lewm_probe.analyses.decode.report.tables import likeness_table, reading_table
from lewm_probe.reports.page.brought import Headline, Panel
from lewm_probe.reports.page.parts import ByModel, ReportPart, Section, Summary, drawn, shown
from lewm_probe.reports.page.summary import value
from lewm_probe.reports.results_view import WorldView


def sections(view: WorldView) -> list[Section]:
    """Pictures of what latents hold."""
    return [
        Section(
            "decode",
            "Decoded latents",
            can(view),
            drawn(view, frames_plot, rollouts_plot, violations_plot, training_plot),
            shown(view, likeness_table(view), reading_table(view), folded=("decode-reading",)),
        )
    ]


def summary(models: ByModel, view: WorldView) -> Summary:
    """What the command shows at its end."""
    rows: list[list[object]] = []
    horizons = sorted(
        {m.horizon for ms in models.values() for m in ms if m.horizon and m.metric == "psnr"}
    )
    for label, metrics in models.items():
        own = {"metric": "psnr"}
        rows.append(
            [
                label,
                value(metrics, **own, horizon=None),
                value(metrics, **own, horizon=None, control="mean"),
                *(value(metrics, **own, horizon=k) for k in horizons[-1:]),
                *(value(metrics, **own, horizon=k, control="copy_last") for k in horizons[-1:]),
                value(metrics, metric="ssim", horizon=None),
                value(metrics, **own, horizon=None, control="random_weights"),
            ]
        )
    ahead = [f"imagined, k = {k}" for k in horizons[-1:]]
    columns = ["PSNR (dB):", "frames", "mean picture", *ahead, *("copy last" for _ in ahead)]
    return Summary([*columns, "SSIM of frames", "random weights"], rows)


def headlines(view: WorldView) -> Iterator[Headline]:
    """Numbers by which a checkpoint is known."""
    for row in view.pick("decode", "psnr", horizon=None)[:1]:
        yield Headline("PSNR of decoded frames", row)


def curves(view: WorldView) -> list[Panel]:
    """How like frames decoded latents are while a model trains."""
    found = view.training("decode", "psnr", control=None, horizon=None)
    return [Panel("Decoded frames", "PSNR (dB)", found)]


REPORT = ReportPart(sections, place=56, summary=summary, headlines=headlines, curves=curves)
