"""Violation of expectation."""

from lewm_probe.results.analyses import Analysis
from lewm_probe.results.cards import Card

VOE = Analysis(
    "voe",
    "Does the model notice what cannot be? Surprise at teleports, colours, wrong actions.",
    Card("Violation of expectation", 20),
    settings="lewm_probe.analyses.voe.settings:VoeSettings",
    report="lewm_probe.analyses.voe.report.part:REPORT",
    needs=frozenset({"voe", "disjoint", "probe-train"}),
    measure_all="lewm_probe.analyses.voe.run:measure_all",
    finish="lewm_probe.analyses.voe.run:finish",
    samples="lewm_probe.analyses.voe.report.samples:samples",
    compared="lewm_probe.analyses.voe.report.samples:COMPARED",
    cards="lewm_probe.analyses.voe.conditions.cards:cards",
)
