"""How far imagination stays with what happens."""

from lewm_probe.results.analyses import Analysis
from lewm_probe.results.cards import Card

ROLLOUT = Analysis(
    "rollout",
    "How far imagination stays with what happens, block by block.",
    Card("Open-loop rollouts", 40),
    settings="lewm_probe.analyses.rollout.settings:RolloutSettings",
    measure="lewm_probe.analyses.rollout.measure:measure",
    report="lewm_probe.analyses.rollout.report.part:REPORT",
    needs=frozenset({"clean", "probe-train"}),
    samples="lewm_probe.analyses.rollout.report.samples:samples",
    compared="lewm_probe.analyses.rollout.report.samples:COMPARED",
    metrics=frozenset(["angle_error_deg", "mse", "mse_over_copy_last", "pearson_r", "r2", "rmse"]),
    keys={"method": frozenset({"linear"})},
)
