"""How straight latent paths are."""

from lewm_probe.results.analyses import Analysis
from lewm_probe.results.cards import Card

STRAIGHTNESS = Analysis(
    "straightness",
    "How straight latent paths are, encoded and imagined, over training.",
    Card("Straightness of latent paths", 30),
    settings="lewm_probe.analyses.straightness.settings:StraightnessSettings",
    measure="lewm_probe.analyses.straightness.measure:measure",
    report="lewm_probe.analyses.straightness.report.part:REPORT",
    needs=frozenset({"clean"}),
    samples="lewm_probe.analyses.straightness.report.samples:samples",
    compared="lewm_probe.analyses.straightness.report.samples:COMPARED",
    metrics=frozenset(
        [
            "cosine",
            "cosine_over_pixel_space",
            "cosine_over_random_weights",
            "cosine_over_state_space",
            "curvature_deg",
            "effective_rank",
            "masked_share",
            "p_beyond",
            "p_noticed",
            "r2",
        ]
    ),
    keys={
        "method": frozenset({"encoded", "imagined", "linear"}),
        "window": frozenset({"contact", "free"}),
    },
)
