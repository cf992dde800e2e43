from __future__ import annotations

import functools
import io
import re
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.console import Console as RichConsole

from lewm_probe.cli.terminal.summary import summarize
from lewm_probe.cli.terminal.tables import UNBOUNDED
from lewm_probe.results.result import Result
from lewm_probe.results.schema import Metric, ModelEntry, Provenance

SEEDS = "Means over training seeds, and the largest p; each seed: --wide"
REPORTS = Path(__file__).parents[3] / "reports"


def metric(analysis: str, name: str, value: float, **changes: object) -> Metric:
    base = {"model": "lewm", "family": "lewm", "train_seed": 0, "step": 100, "world": "two-room"}
    return Metric.model_validate(
        {**base, "analysis": analysis, "metric": name, "value": value, **changes}
    )


def entry(name: str = "lewm", seed: int = 0) -> ModelEntry:
    return ModelEntry(
        name=name, family="lewm", train_seed=seed, step=100, fingerprint=f"{name}{seed}"
    )


def printed(result: Result, width: int = 160) -> str:
    file = io.StringIO()
    RichConsole(file=file, width=width).print(summarize(result))
    return file.getvalue()


def cells(text: str) -> list[list[str]]:
    """The cells of every line of a table, titles of columns on one line."""
    found: list[list[str]] = []
    titles = False
    for line in text.splitlines():
        row = [cell.strip() for cell in re.split("[┃│]", line)[1:-1]]
        if line.startswith("┃") and titles:
            found[-1] = [" ".join(filter(None, pair)) for pair in zip(found[-1], row, strict=True)]
        elif row and line[0] in "┃│":
            found.append(row)
        titles = line.startswith("┃")
    return found


def shown(*metrics: Metric, notes: tuple[str, ...] = (), width: int = 160) -> list[list[str]]:
    result = Result([Provenance(command="", version="", notes=list(notes))], [entry()], metrics)
    text = printed(result, width)
    noted = [[line.rstrip()] for line in text.splitlines() if line.startswith("Note")]
    return cells(text) + noted


def test_probe() -> None:
    position = {"subject": "agent_position", "features": "z"}
    rows = shown(
        metric("probe", "pearson_r", 0.99, method="linear", **position),
        metric("probe", "pearson_r", 0.5, method="linear", **{**position, "step": 0}),
        metric("probe", "pearson_r", 0.999, method="mlp", **position),
        metric(
            "probe", "rmse", 3.21, ci_low=3.1, ci_high=3.3, unit="px", method="linear", **position
        ),
        metric("probe", "pearson_r", 0.8, method="linear", control="random_weights", **position),
    )
    assert rows == [
        ["model", "linear r", "MLP r", "linear r, random weights", "linear RMSE"],
        ["Agent position (px)", "", "", "", ""],
        ["lewm", "0.990", "0.999", "0.800", "3.210"],
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
            "model",
            "AUROC at onset",
            "gain over the best baseline",
            "Holm p, beyond",
            "best baseline",
            "Holm p, noticed",
        ],
        ["Teleport of agent", "", "", "", "", ""],
        ["lewm", "0.970", "0.0100", "0.040", "pixel difference", "< 0.0001"],
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
        ["S, stride 1", "encoded", "imagined", "random weights", "pixels", "true state"],
        ["lewm", "0.600", "–", "0.300", "–", "–"],
        ["error, blocks ahead:", "1", "5"],
        ["lewm", "", ""],
        ["imagined", "0.0100", "0.0500"],
        ["copy last", "–", "0.500"],
        [
            "model",
            "effective rank",
            "SIGReg",
            "SIGReg of a Gaussian",
            "participation ratio",
            "tr Cov z",
        ],
        ["lewm", "30.0", "2.00", "1.00", "–", "–"],
    ]


def test_several_seeds_are_a_row_and_each_of_them_one_in_wide() -> None:
    metrics = [
        metric("geometry", "effective_rank", 10.0 + seed, train_seed=seed) for seed in (0, 1)
    ]
    metrics += [  # of all seeds together: a difference between methods, no checkpoint's number
        metric("geometry", "effective_rank", 3.0, train_seed=None, versus="pldm", step=None)
    ]
    result = Result([], [entry(seed=0), entry(seed=1)], metrics)
    text = printed(result)
    assert cells(text)[1] == ["lewm, 2 seeds", "10.50", "–", "–", "–", "–"]
    assert text.splitlines()[-1].rstrip() == (SEEDS)
    assert [row[:2] for row in cells(printed(result, UNBOUNDED))[1:]] == [
        ["lewm, seed 0", "10.0"],
        ["lewm, seed 1", "11.0"],
    ]


def test_the_largest_p_of_several_seeds_is_told() -> None:
    at = {"subject": "teleport_agent", "window": "onset"}
    metrics = [metric("voe", "auroc", 0.9, train_seed=seed, **at) for seed in (0, 1)]
    metrics += [
        metric("voe", "p_beyond_holm", p, train_seed=seed, **at) for seed, p in enumerate((0.5, 0))
    ]
    rows = cells(printed(Result([], [entry(seed=0), entry(seed=1)], metrics)))
    assert rows[-1] == ["lewm, 2 seeds", "0.900", "–", "0.50", "–", "–"]


def test_worlds_have_tables_of_their_own() -> None:
    metrics = [
        metric("geometry", "effective_rank", 10.0),
        metric("geometry", "effective_rank", 20.0, world="push-t"),
    ]
    text = printed(Result([], [entry()], metrics))
    titles = [line.rstrip() for line in text.splitlines() if line.startswith("geometry")]
    assert titles == ["geometry, TwoRoom", "geometry, Push-T"]
    assert [row[1] for row in cells(text) if row[0] == "lewm"] == ["10.0", "20.0"]


def test_names_too_long_for_a_table_stay_two() -> None:
    names = ["m" * 300 + end for end in "ab"]
    metrics = [metric("geometry", "effective_rank", 10.0, model=name) for name in names]
    text = printed(Result([], [entry(name) for name in names], metrics), 80)
    assert [row[0] for row in cells(text)[1:]] == ["m" * 26 + "…1", "m" * 26 + "…2"]


@functools.cache
def published(name: str) -> tuple[Result, frozenset[str]]:
    """A report, and the words of its tables where nothing bounds them."""
    result = Result.load(REPORTS / name)
    return result, frozenset(re.split(r"[\s┃│]+", printed(result, UNBOUNDED)))


@pytest.mark.parametrize("name", ["two-room-cpu", "push-t-cpu", "audit-example"])
@pytest.mark.parametrize("width", [80, 100])
def test_published_results_fit_the_terminal_and_no_word_is_cut(name: str, width: int) -> None:
    result, whole = published(name)
    text = printed(result, width)
    lines = [line.rstrip() for line in text.splitlines()]
    assert lines
    assert max(map(cell_len, lines)) <= width
    assert "…" not in text
    # Every word of the narrow tables is one of the unbounded ones, whose cells are never wrapped,
    # or a mean over seeds.
    words = set(re.split(r"[\s┃│]+", text))
    numbers = re.compile(r"[−<]?[\d.]+|seeds,?|[┏┡├└━╇┳─┼┴┓┩┤┘]+")
    known = {"Not", "shown:", "(--wide)", *SEEDS.split(" ")}
    titles = {word for word in words if word.endswith(",")}  # of the columns not shown
    assert {w for w in words - whole - known - titles if not numbers.fullmatch(w)} == set()
