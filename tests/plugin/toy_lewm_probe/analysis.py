"""How far latents move from frame to frame: an analysis of one file."""

import numpy as np
from pydantic import Field

from lewm_probe.comparison.difference import Sample
from lewm_probe.comparison.stored import means
from lewm_probe.core.config import Config
from lewm_probe.results.analyses import Analysis
from lewm_probe.results.cards import Card
from lewm_probe.stats import bootstrap


class StepsSettings(Config):
    """The suite's section ``steps``."""

    stride: int = Field(1, ge=1, description="Frames from one latent to the next.")


def measure(checkpoint, context, recorder):
    """``length`` of a step, in units of the latents' SD, by trajectory and on average."""
    from lewm_probe.analyses.engine.features import encoded, pooled  # needs torch: not for --help

    clean = context.trajectories(checkpoint, "clean")
    found = encoded(checkpoint, clean.pixels, clean.actions, context.cache)
    z, stride = pooled(checkpoint, found["z"]), context.settings.stride  # (N, T, D)
    steps = np.linalg.norm(z[:, stride:] - z[:, :-stride], axis=-1).mean(axis=1)
    lengths = steps / np.sqrt(z.var(axis=(0, 1)).mean())
    keys = {"features": "z", "stride": stride}
    mean = bootstrap.mean(lengths)
    recorder.metric(checkpoint, "length", mean, **keys)
    recorder.rows(checkpoint, "length", lengths, clean.ids, **keys)
    key = (*keys.items(), ("metric", "length"))
    return {key: Sample.of(clean.ids, lengths, statistic="mean")}


def samples(rows, floor):
    """The same from stored rows, for ``--against``."""
    return means(rows[rows["metric"] == "length"], "steps", "length", ("features", "stride"))


COMPARED = frozenset({"length"})

STEPS = Analysis(
    "steps",
    "How far latents move from frame to frame.",
    Card("Steps of the latents", 60),
    settings=f"{__name__}:StepsSettings",
    measure=f"{__name__}:measure",
    report="toy_lewm_probe.report:REPORT",
    samples=f"{__name__}:samples",
    compared=f"{__name__}:COMPARED",
    options={"--stride": "stride"},
)
