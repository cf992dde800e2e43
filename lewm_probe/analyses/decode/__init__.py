"""What latents look like when they are drawn."""

from lewm_probe.results.analyses import Analysis, Option
from lewm_probe.results.cards import Card

DECODE = Analysis(
    "decode",
    "Draw what latents hold: a decoder trained on them, for frames, rollouts and violations.",
    Card("Decoded latents", 56),
    settings="lewm_probe.analyses.decode.settings:DecodeSettings",
    measure="lewm_probe.analyses.decode.measure:measure",
    report="lewm_probe.analyses.decode.report.part:REPORT",
    needs=frozenset({"probe-train", "probe-validation", "clean"}),
    samples="lewm_probe.analyses.decode.report.samples:samples",
    compared="lewm_probe.analyses.decode.report.samples:COMPARED",
    options={
        "--steps": Option("steps", int, "Training steps of each decoder."),
        "--patch": Option(
            "patch", int, "Side of the patches it draws, px (default: 8; 16 from 128 px)."
        ),
        "--horizon": Option("horizons", list[int], "Blocks ahead at which rollouts are drawn."),
        "--over-training": Option(
            "over_training", int, "Earlier checkpoints of the run that get a decoder each."
        ),
    },
    by_default=False,
    metrics=frozenset(["psnr", "r2", "ssim"]),
    keys={"method": frozenset({"linear", "mlp"})},
)
