"""``reports/audit-example``: one model in two shapes, audited apart, equal row for row."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import lewm_probe
from lewm_probe.results.result import Result

REPOSITORY = Path(__file__).parents[2]
EXAMPLE = REPOSITORY / "reports/audit-example"

if not (EXAMPLE / "results.json").is_file():  # as in an unpacked sdist
    pytest.skip("published reports are not here", allow_module_level=True)


@pytest.fixture(scope="module")
def result() -> Result:
    return Result.load(EXAMPLE)


def of(table: pd.DataFrame, model: str) -> pd.DataFrame:
    return table[table["model"] == model].drop(columns="model").reset_index(drop=True)


def test_both_audits_are_whole(result: Result) -> None:
    assert {m.model for m in result.metrics} == {"ours", "released"}
    assert {m.analysis for m in result.metrics} == {
        "probe",
        "voe",
        "straightness",
        "rollout",
        "geometry",
    }
    assert all(m.n is None or m.n >= 100 for m in result.metrics if m.metric == "auroc")


def test_every_number_and_every_row_is_the_same(result: Result) -> None:
    metrics = result.frame()
    pd.testing.assert_frame_equal(of(metrics, "ours"), of(metrics, "released"), check_exact=True)
    rows = result.rows
    assert len(of(rows, "ours")) > 10_000
    pd.testing.assert_frame_equal(of(rows, "ours"), of(rows, "released"), check_exact=True)


def test_they_are_the_checkpoints_beside_them(result: Result) -> None:
    ours = lewm_probe.load_model(REPOSITORY / "reports/two-room-cpu/weights/lewm-vit-1.safetensors")
    released = lewm_probe.load_model(EXAMPLE / "released")
    assert ours.fingerprint == released.fingerprint
    assert {e.fingerprint for e in result.models} == {ours.fingerprint}
    assert [Path(e.source).suffix for e in result.models if e.source] == [".safetensors", ".pt"]


def test_neither_had_the_cache_of_the_other(result: Result) -> None:
    commands = {record.command for record in result.provenance}
    caches = {
        command.split("--cache ")[1].split()[0] for command in commands if "--cache " in command
    }
    assert len(caches) == 2
