from __future__ import annotations

import io

from rich.console import Console as RichConsole

from lewm_probe.cli.terminal.summary import summarize
from lewm_probe.results.result import Result
from lewm_probe.results.schema import Metric, ModelEntry, Provenance


def metric(analysis: str, name: str, value: float, **changes: object) -> Metric:
    base = {"model": "lewm", "family": "lewm", "train_seed": 0, "step": 100, "world": "two-room"}
    return Metric.model_validate(
        {**base, "analysis": analysis, "metric": name, "value": value, **changes}
    )


def shown(*metrics: Metric, notes: tuple[str, ...] = ()) -> list[list[str]]:
    """The cells of every line that is printed."""
    models = [ModelEntry(name="lewm", family="lewm", train_seed=0, step=100, fingerprint="f")]
    result = Result([Provenance(command="", version="", notes=list(notes))], models, metrics)
    file = io.StringIO()
    RichConsole(file=file, width=160).print(summarize(result))
    lines = [line.replace("┃", "│").split("│") for line in file.getvalue().splitlines()]
    return [[c.strip() for c in cells if c.strip()] for cells in lines if len(cells) != 1] + [
        [line] for line in file.getvalue().splitlines() if line.startswith("Note")
    ]


def test_probe() -> None:
    position = {"subject": "agent_position", "features": "z"}
    rows = shown(
        metric("probe", "pearson_r", 0.99, method="linear", **position),
        metric("probe", "pearson_r", 0.5, method="linear", **{**position, "step": 0}),
        metric("probe", "pearson_r", 0.999, method="mlp", **position),
        metric("probe", "rmse", 3.21, method="linear", **position),
        metric("probe", "pearson_r", 0.8, method="linear", control="random_weights", **position),
    )
    assert rows == [
        ["quantity", "linear r", "mlp r", "rmse", "random weights r"],
        ["agent_position · lewm", "0.99", "0.999", "3.21", "0.8"],
    ]


def test_voe() -> None:
    teleport = {"subject": "teleport_agent", "window": "onset"}
    rows = shown(
        metric("voe", "auroc", 0.97, **teleport),
        metric("voe", "auroc", 0.95, control="copy_last", **teleport),
        metric("voe", "delta_auroc_over_copy_last", 0.02, versus="copy_last", **teleport),
        metric(
            "voe", "delta_auroc_over_pixel_difference", 0.01, versus="pixel_difference", **teleport
        ),
        metric("voe", "p_noticed_holm", 1e-9, **teleport),
        metric("voe", "p_beyond_holm", 0.04, **teleport),
        metric("voe", "surprise", 3.0, subject="teleport_agent", horizon=0),
        notes=("these checkpoints",),
    )
    assert rows == [
        [
            "condition",
            "onset AUROC",
            "gain over the best baseline",
            "which",
            "p noticed (Holm)",
            "p beyond (Holm)",
        ],
        ["teleport_agent · lewm", "0.97", "0.01", "pixel difference", "1e-09", "0.04"],
        ["Note: these checkpoints"],
    ]


def test_straightness_rollout_and_geometry() -> None:
    rows = shown(
        metric("straightness", "cosine", 0.6, method="encoded", stride=1),
        metric("straightness", "cosine", 0.1, method="encoded", stride=5),
        metric("straightness", "cosine", 0.3, control="random_weights", method="encoded", stride=1),
        metric("rollout", "mse", 0.01, horizon=1),
        metric("rollout", "mse", 0.05, horizon=5),
        metric("rollout", "mse", 0.5, horizon=5, control="copy_last"),
        metric("geometry", "effective_rank", 30.0),
        metric("geometry", "sigreg", 2.0),
        metric("geometry", "sigreg", 1.0, control="gaussian"),
    )
    assert rows == [
        ["model", "encoded", "imagined", "random weights", "pixels", "state"],
        ["lewm", "0.6", "–", "0.3", "–", "–"],
        ["latent error at k blocks", "1", "5"],
        ["lewm", "0.01", "0.05"],
        ["lewm, copy-last", "–", "0.5"],
        [
            "model",
            "effective rank",
            "participation ratio",
            "trace cov",
            "sigreg",
            "sigreg of a Gaussian",
        ],
        ["lewm", "30", "–", "–", "2", "1"],
    ]


def test_seeds_are_named_where_a_name_comes_several_times() -> None:
    models = [
        ModelEntry(name="lewm", family="lewm", train_seed=seed, step=100, fingerprint=str(seed))
        for seed in (0, 1)
    ]
    metrics = [metric("rollout", "mse", 0.1, horizon=1, train_seed=seed) for seed in (0, 1)]
    file = io.StringIO()
    RichConsole(file=file, width=160).print(summarize(Result([], models, metrics)))
    assert "│ lewm, seed 0 " in file.getvalue()
    assert "│ lewm, seed 1, copy-last " in file.getvalue()
