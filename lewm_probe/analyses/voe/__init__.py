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
    metrics=frozenset(
        [
            "action_swap_auroc",
            "auroc",
            "auroc_difference",
            "auroc_whitened",
            "clean_over_copy_last",
            "d_z",
            "delta_auroc_over_action_blind",
            "delta_auroc_over_copy_last",
            "delta_auroc_over_linear_extrapolation",
            "delta_auroc_over_pixel_difference",
            "delta_auroc_over_random_encoder",
            "delta_log_surprise",
            "detection_at_5fp",
            "direction",
            "effective_rank",
            "first_dose",
            "p_beyond",
            "p_equivalence",
            "p_noticed",
            "p_permutation",
            "p_ttest",
            "p_ttest_raw",
            "p_wilcoxon",
            "pairwise_accuracy",
            "pixel_change",
            "pixel_change_reached",
            "scaled_action_sd",
            "smallest_detectable_d_z",
            "strength",
            "surprise",
            "surprise_over_chance",
            "surprise_z",
            "trace_cov",
        ]
    ),
    keys={
        "window": frozenset(
            {"onset", "transient", "steady", "mean_after", "max_after", "min", "max"}
        )
    },
)
