"""How latents fill their space."""

from lewm_probe.results.analyses import Analysis
from lewm_probe.results.cards import Card

GEOMETRY = Analysis(
    "geometry",
    "How latents fill their space: rank, variance, normality; collapse shows here.",
    Card("Geometry of the latents", 50),
    settings="lewm_probe.analyses.geometry.settings:GeometrySettings",
    measure="lewm_probe.analyses.geometry.measure:measure",
    report="lewm_probe.analyses.geometry.report.part:REPORT",
    needs=frozenset({"clean"}),
    samples="lewm_probe.analyses.geometry.report.samples:samples",
    compared="lewm_probe.analyses.geometry.report.samples:COMPARED",
    metrics=frozenset(
        ["dimension_variance", "effective_rank", "participation_ratio", "r2", "sigreg", "trace_cov"]
    ),
    keys={"window": frozenset({"min", "median", "max"})},
)
