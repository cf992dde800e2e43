from __future__ import annotations

import json
import math
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lewm_probe.core.errors import UserError
from lewm_probe.results.result import Result, as_rows, merge
from lewm_probe.results.schema import ROW_COLUMNS, SCHEMA_VERSION, Metric, ModelEntry, Provenance


def metric(**changes: object) -> Metric:
    base: dict[str, object] = {
        "model": "lewm",
        "family": "lewm",
        "train_seed": 0,
        "world": "two-room",
        "analysis": "voe",
        "subject": "teleport_agent",
        "metric": "auroc",
        "value": 0.5,
    }
    return Metric.model_validate(base | changes)


def row(**changes: object) -> dict[str, object]:
    return {
        "model": "lewm",
        "train_seed": 0,
        "world": "two-room",
        "analysis": "voe",
        "subject": "teleport_agent",
        "trajectory_id": "ab12",
        "metric": "surprise",
        "value": 1.5,
        **changes,
    }


def result(*metrics: Metric, rows: list[dict[str, object]] | None = None) -> Result:
    images = {"lewm_teleport": np.arange(3 * 8 * 8 * 3, dtype=np.uint8).reshape(3, 8, 8, 3)}
    return Result(
        [Provenance(command="lewm-probe voe", version="0", notes=["mind this"])],
        [ModelEntry(name="lewm", family="lewm", fingerprint="f", curves={"step": [0.0, None]})],
        metrics,
        as_rows(rows or []),
        images,
    )


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    rows = [row(), row(frame=3, horizon=-2, axis="x", value=float("nan"))]
    saved = result(metric(), metric(subject="color_agent", ci_low=0.1, n=200, dose=0.5), rows=rows)
    saved.save(tmp_path)
    loaded = Result.load(tmp_path)
    assert loaded.provenance == saved.provenance
    assert loaded.models == saved.models
    assert loaded.metrics == saved.metrics
    pd.testing.assert_frame_equal(loaded.rows, saved.rows)
    assert list(loaded.images) == ["lewm_teleport"]
    np.testing.assert_array_equal(loaded.images["lewm_teleport"], saved.images["lewm_teleport"])
    assert sorted(os.listdir(tmp_path)) == ["pictures", "results.json", "rows.parquet"]


def test_an_empty_result_is_saved_and_loaded(tmp_path: Path) -> None:
    Result([], [], []).save(tmp_path)
    loaded = Result.load(tmp_path)
    assert (loaded.provenance, loaded.models, loaded.metrics, loaded.images) == ((), (), (), {})
    assert list(loaded.rows.columns) == list(ROW_COLUMNS)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_json_stays_json(tmp_path: Path, value: float) -> None:
    result(metric(value=value)).save(tmp_path)
    text = (tmp_path / "results.json").read_text()
    stored = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert stored["schema_version"] == SCHEMA_VERSION
    assert stored["metrics"][0]["value"] is None
    assert Result.load(tmp_path).metrics[0].value is None


def test_a_metric_stands_on_one_line_with_the_documented_keys_that_apply(tmp_path: Path) -> None:
    result(metric(), metric(subject="b", value=1 / 3)).save(tmp_path)
    lines = (tmp_path / "results.json").read_text().splitlines()
    (line,) = [line for line in lines if '"subject":"b"' in line]
    stored = json.loads(line)
    assert stored["value"] == 0.333333333
    assert None not in stored.values()
    keys = (
        "model, family, train_seed, step, world, analysis, subject, features, method, control, "
        "window, horizon, dose, stride, versus, metric, value, unit, ci_low, ci_high, n, "
        "eval_seed, higher_is_better"
    )
    assert list(Metric.model_fields) == keys.split(", ")
    assert list(stored) == [key for key in keys.split(", ") if key in stored]


def test_saving_again_leaves_nothing_of_the_earlier_result(tmp_path: Path) -> None:
    result(metric()).save(tmp_path)
    other = Result([], [], [], None, {"other": np.zeros((1, 4, 4, 3), np.uint8)})
    other.save(tmp_path)
    assert list(Result.load(tmp_path).images) == ["other"]


def test_two_commands_may_write_the_same_result_at_once(tmp_path: Path) -> None:
    clips = {str(i): np.full((2, 64, 64, 3), i, np.uint8) for i in range(12)}
    saved = Result([], [], [metric()], None, clips)
    with ThreadPoolExecutor(4) as threads:
        for done in [threads.submit(saved.save, tmp_path) for _ in range(8)]:
            done.result()
    assert sorted(Result.load(tmp_path).images) == sorted(clips)
    assert sorted(os.listdir(tmp_path)) == ["pictures", "results.json", "rows.parquet"]


def test_an_interrupted_save_is_not_taken_for_a_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result(metric()).save(tmp_path)

    def stop(self: pd.DataFrame, *args: object, **kwargs: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(pd.DataFrame, "to_parquet", stop)
    with pytest.raises(KeyboardInterrupt):
        result(metric(value=0.9)).save(tmp_path)
    with pytest.raises(UserError) as caught:
        Result.load(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path} holds no results.json. Give a folder that an analysis wrote with --out, "
        "for example the one `lewm-probe voe` names at its end."
    )


def broken(folder: Path, text: str) -> str:
    (folder / "results.json").write_text(text)
    with pytest.raises(UserError) as caught:
        Result.load(folder)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"schema_version": 1, "metr', "JSONDecodeError"),
        ("{}", "KeyError"),
        ("[]", "TypeError"),
    ],
)
def test_a_truncated_file(tmp_path: Path, text: str, why: str) -> None:
    assert broken(tmp_path, text) == (
        f"{tmp_path / 'results.json'} is not a whole results file ({why}). It was cut short or "
        "is something else; run the analysis that wrote it again."
    )


@pytest.mark.parametrize("version", ["0", "true", '"1"', "null"])
def test_a_schema_that_is_none(tmp_path: Path, version: str) -> None:
    reported = {"0": "0", "true": "True", '"1"': "1", "null": "None"}[version]
    assert broken(tmp_path, f'{{"schema_version": {version}}}') == (
        f"{tmp_path / 'results.json'} says that its schema version is '{reported}', and a whole "
        "number from 1 to 2 was expected. It is damaged or of another program; run the analysis "
        "that wrote it again."
    )


def test_a_newer_schema(tmp_path: Path) -> None:
    assert broken(tmp_path, '{"schema_version": 3, "anything": 1}') == (
        f"{tmp_path / 'results.json'} has schema version 3; this lewm-probe reads up to version 2. "
        "Upgrade lewm-probe, or run the analysis again with this version."
    )


def test_another_schema(tmp_path: Path) -> None:
    result(metric()).save(tmp_path)
    raw = json.loads((tmp_path / "results.json").read_text())
    raw["metrics"][0]["surprise"] = 1
    assert broken(tmp_path, json.dumps(raw)) == (
        f"{tmp_path / 'results.json'} does not fit the results schema at metrics.0.surprise: "
        "Extra inputs are not permitted. Run the analysis that wrote it again."
    )


def test_truncated_rows(tmp_path: Path) -> None:
    result(metric(), rows=[row()]).save(tmp_path)
    path = tmp_path / "rows.parquet"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(UserError) as caught:
        Result.load(tmp_path)
    assert str(caught.value) == (
        f"{path} cannot be read as Parquet. It was cut short or is something else; "
        "run the analysis that wrote it again."
    )


def test_unknown_row_columns_are_a_programming_error() -> None:
    with pytest.raises(ValueError, match=r"^unknown row columns: \['frames'\]$"):
        as_rows([{"frames": 1}])


def test_the_table_has_a_column_for_each_key() -> None:
    table = result(metric(), metric(subject="b", value=0.9)).frame()
    assert list(table.columns) == list(Metric.model_fields)
    assert table["value"].tolist() == [0.5, 0.9]


def test_merging_keeps_the_later_of_equal_metrics_and_rows() -> None:
    early = result(metric(value=0.1, ci_low=0.0), metric(subject="b"), rows=[row(value=1.0)])
    late = result(metric(value=0.2, n=3), rows=[row(value=2.0), row(value=3.0, frame=1)])
    merged = merge([early, late])
    assert [(m.subject, m.value) for m in merged.metrics] == [("teleport_agent", 0.2), ("b", 0.5)]
    assert merged.rows["value"].tolist() == [2.0, 3.0]
    assert len(merged.models) == len(merged.provenance) == 1  # equal ones are not repeated


@settings(max_examples=10)  # each builds a dozen pandas tables
@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 1), st.floats(0, 1)), max_size=7))
def test_merging_is_idempotent_and_the_same_in_one_go(cases: list[tuple[str, int, float]]) -> None:
    parts = [Result([], [], [metric(subject=s, train_seed=t, value=v)]) for s, t, v in cases]
    whole = merge(parts)
    assert merge([whole, whole]).metrics == whole.metrics
    assert merge([merge(parts[:4]), merge(parts[4:])]).metrics == whole.metrics
    assert {(m.subject, m.train_seed): m.value for m in whole.metrics} == {
        (s, t): pytest.approx(v, rel=1e-8) for s, t, v in cases
    }
