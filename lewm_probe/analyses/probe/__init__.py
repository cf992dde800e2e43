"""Which quantities can be read from latents."""

from lewm_probe.results.analyses import Analysis
from lewm_probe.results.cards import Card

PROBE = Analysis(
    "probe",
    "Which physical quantities can be read from the latents, against its controls.",
    Card("Probing of physical quantities", 10),
    settings="lewm_probe.analyses.probe.settings:ProbeSettings",
    measure="lewm_probe.analyses.probe.measure:measure",
    report="lewm_probe.analyses.probe.report.part:REPORT",
    needs=frozenset({"probe-train", "probe-validation", "probe-test"}),
    samples="lewm_probe.analyses.probe.report.samples:samples",
    compared="lewm_probe.analyses.probe.report.samples:COMPARED",
    metrics=frozenset(
        [
            "angle_error_deg",
            "mse",
            "mse_less_than_mean",
            "mse_less_than_pixel_pca",
            "mse_less_than_random_weights",
            "mse_less_than_time_index",
            "mse_sample_sd",
            "mse_seed_sd",
            "p_beyond",
            "p_noticed",
            "pearson_r",
            "r2",
            "rmse",
            "selectivity",
        ]
    ),
    keys={"method": frozenset({"linear", "mlp"})},
)
