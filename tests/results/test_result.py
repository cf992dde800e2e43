from __future__ import annotations

import json
import math
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lewm_probe.core.errors import UserError
from lewm_probe.core.files import atomic_path
from lewm_probe.results import parts
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


ROW = ["lewm", "lewm", 0, "two-room", "voe", "teleport_agent", "auroc", 0.5]
"""The values of ``metric()`` in their order."""


def both(stored: dict[str, Any]) -> tuple[list[str], list[object]]:
    """The columns of stored metrics, and the first row."""
    return stored["metrics"]["columns"], stored["metrics"]["rows"][0]


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
    assert dict(zip(*both(stored), strict=True))["value"] is None
    assert Result.load(tmp_path).metrics[0].value is None


def test_a_metric_stands_on_one_line_in_the_documented_order_of_keys(tmp_path: Path) -> None:
    result(metric(), metric(subject="b", value=1 / 3)).save(tmp_path)
    lines = (tmp_path / "results.json").read_text().splitlines()
    (line,) = [line for line in lines if '"b"' in line]
    (columns,) = [line for line in lines if line.startswith('  "columns": ')]
    stored = dict(zip(json.loads(columns[13:].rstrip(",")), json.loads(line), strict=True))
    assert stored["value"] == 0.333333333
    assert None not in stored.values()  # columns that are null everywhere are left out
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
        "number from 1 to 4 was expected. It is damaged or of another program; run the analysis "
        "that wrote it again."
    )


def test_a_newer_schema(tmp_path: Path) -> None:
    assert broken(tmp_path, '{"schema_version": 5, "anything": 1}') == (
        f"{tmp_path / 'results.json'} has schema version 5; this lewm-probe reads up to version 4. "
        "Upgrade lewm-probe, or run the analysis again with this version."
    )


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"columns": ["surprise"]}, "metrics.columns: 'surprise' is no key of a metric"),
        ({"columns": ["value", "value"]}, "metrics.columns: a name stands there twice"),
        ({"columns": [1]}, "metrics.columns: a list of names was expected"),
        ({"rows": 1}, "metrics.rows: a list of rows was expected"),
        ({"rows": [ROW, 3]}, "metrics.rows.1: a list of 8 values was expected"),
        ({"rows": [["m"] * 9]}, "metrics.rows.0: a list of 8 values was expected"),
        (
            {"rows": [ROW, [*ROW[:7], "much"]]},
            "metrics.rows.1.value: Input should be a valid number, unable to parse string as a "
            "number",
        ),
        ({"rows": [["m"]]}, "metrics.rows.0: a list of 8 values was expected"),
        ({"columns": ["model"], "rows": [["m"]]}, "metrics.rows.0.family: Field required"),
        ({"more": []}, "metrics: a table of 'columns' and 'rows' was expected"),
        ({"files": True}, "metrics.files: a whole number from 1 to 1000 was expected"),
        ({"files": 0}, "metrics.files: a whole number from 1 to 1000 was expected"),
        ({"files": 1001}, "metrics.files: a whole number from 1 to 1000 was expected"),
    ],
)
def test_another_schema(tmp_path: Path, change: dict[str, Any], fault: str) -> None:
    result(metric()).save(tmp_path)
    raw = json.loads((tmp_path / "results.json").read_text())
    raw["metrics"] |= change
    assert broken(tmp_path, json.dumps(raw)) == (
        f"{tmp_path / 'results.json'} does not fit the results schema at {fault}. "
        "Run the analysis that wrote it again."
    )


@pytest.mark.parametrize("version", [1, 2])
def test_earlier_schemas_are_read(tmp_path: Path, version: int) -> None:
    """Metrics one by one, their nulls left out; rows without window and dose."""
    saved = result(metric(), metric(subject="b", value=None, n=3), rows=[row()])
    saved.save(tmp_path)
    raw = json.loads((tmp_path / "results.json").read_text()) | {"schema_version": version}
    raw["metrics"] = [m.model_dump(exclude_none=True) | {"value": m.value} for m in saved.metrics]
    (tmp_path / "results.json").write_text(json.dumps(raw))
    saved.rows.drop(columns=["window", "dose"]).to_parquet(tmp_path / "rows.parquet")
    loaded = Result.load(tmp_path)
    assert loaded.metrics == saved.metrics
    pd.testing.assert_frame_equal(loaded.rows, saved.rows)
    raw["metrics"][0]["surprise"] = 1
    assert broken(tmp_path, json.dumps(raw)) == (
        f"{tmp_path / 'results.json'} does not fit the results schema at metrics.0.surprise: "
        "Extra inputs are not permitted. Run the analysis that wrote it again."
    )


def test_the_schema_before_files_is_read(tmp_path: Path) -> None:
    saved = result(metric())
    saved.save(tmp_path)
    raw = json.loads((tmp_path / "results.json").read_text()) | {"schema_version": 3}
    del raw["metrics"]["files"]
    (tmp_path / "results.json").write_text(json.dumps(raw))
    assert Result.load(tmp_path).metrics == saved.metrics


MANY = [metric(subject=f"ä{k}", value=float(k)) for k in range(400)]


def in_files(folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """A result whose metrics take several files."""
    monkeypatch.setattr(parts, "MOST_BYTES", 9000)
    result(*MANY).save(folder)
    return sorted(folder.glob("metrics-*.json"))


def test_many_metrics_go_on_in_further_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    further = in_files(tmp_path, monkeypatch)
    stored = json.loads((tmp_path / "results.json").read_text())["metrics"]
    assert stored["files"] == 1 + len(further) > 2
    assert max(p.stat().st_size for p in [*further, tmp_path / "results.json"]) <= 9000
    table = [json.loads(path.read_text()) for path in further]
    rows = sum((part["rows"] for part in [stored, *table]), start=[])
    assert {tuple(part["columns"]) for part in table} == {tuple(stored["columns"])}
    place = stored["columns"].index("subject")
    assert [row[place] for row in rows] == [m.subject for m in MANY]
    assert Result.load(tmp_path).metrics == tuple(MANY)
    monkeypatch.undo()
    result(*MANY).save(tmp_path)
    assert not list(tmp_path.glob("metrics-*"))


@pytest.mark.parametrize("place", ["nothing", "pipe"])
def test_a_file_of_metrics_that_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    further = in_files(tmp_path, monkeypatch)
    further[0].unlink()
    if place == "pipe":
        os.mkfifo(further[0])  # would be waited for
    with pytest.raises(UserError) as caught:
        Result.load(tmp_path)
    assert str(caught.value) == (
        f"{further[0]} is missing, and results.json says that metrics are in {1 + len(further)} "
        "files. Get the folder again from where it came, or run the analysis that wrote it again."
    )


def test_a_file_of_metrics_that_is_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    further = in_files(tmp_path, monkeypatch)
    whole = further[0].read_text()
    further[0].write_text(whole[:300])
    with pytest.raises(UserError) as caught:
        Result.load(tmp_path)
    assert str(caught.value) == (
        f"{further[0]} is not a whole results file (JSONDecodeError). It was cut short or is "
        "something else; run the analysis that wrote it again."
    )
    further[0].write_text('{"columns": []}')
    with pytest.raises(UserError) as caught:
        Result.load(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path / 'results.json'} does not fit the results schema at metrics: a table of "
        "'columns' and 'rows' was expected (of metrics-2.json). Run the analysis that wrote it "
        "again."
    )
    further[0].write_text(whole.replace('"lewm"', "NaN", 1))
    with pytest.raises(UserError, match="holds NaN, which is no number"):
        Result.load(tmp_path)
    outside = tmp_path.parent / "outside.json"
    further[0].rename(outside)
    further[0].symlink_to(outside)
    with pytest.raises(UserError, match="is a link that leaves its folder"):
        Result.load(tmp_path)


def test_files_of_metrics_are_bounded_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    further = in_files(tmp_path, monkeypatch)
    monkeypatch.setattr("lewm_probe.results.result.MAX_JSON", 20_000)
    with pytest.raises(UserError) as caught:
        Result.load(tmp_path)
    assert str(caught.value).startswith(f"{further[1]} has 0 MiB; such a file of a result has at")


def test_the_table_of_metrics_is_read_by_pandas_alone(tmp_path: Path) -> None:
    saved = result(metric(n=3, higher_is_better=True), metric(subject="b", value=0.25))
    saved.save(tmp_path)
    table = json.loads((tmp_path / "results.json").read_text())["metrics"]
    read = pd.DataFrame(table["rows"], columns=table["columns"])
    whole = saved.frame()
    for column in Metric.model_fields:
        if column in read:
            pd.testing.assert_series_equal(read[column], whole[column], check_dtype=False)
        else:
            assert whole[column].isna().all()


def test_a_metric_takes_few_bytes(tmp_path: Path) -> None:
    full = {"step": 9800, "features": "z", "window": "onset", "n": 200, "eval_seed": 7}
    ends = {"ci_low": 0.912345678, "ci_high": 0.987654321, "value": 0.955555555}
    many = [metric(**full, **ends, versus="copy_last", dose=k / 100) for k in range(1000)]
    result(*many).save(tmp_path)
    assert (tmp_path / "results.json").stat().st_size / 1000 < 170


# ---- rows in parts


def many_rows(count: int) -> pd.DataFrame:
    """Rows that hardly compress."""
    values = np.random.default_rng(count).normal(size=count).astype(np.float32)
    return as_rows(pd.DataFrame({"value": values, "frame": np.arange(count)}))


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> int:
    """Files of at most 30 kB, where 5 MB would take seconds."""
    monkeypatch.setattr(parts, "MOST_BYTES", 30_000)
    return 30_000


def test_a_part_holds_five_million_bytes() -> None:
    assert parts.MOST_BYTES == 5_000_000


def test_rows_are_written_in_parts_that_are_read_as_one(tmp_path: Path, small_parts: int) -> None:
    saved = Result([], [], [metric()], many_rows(20_000))
    saved.save(tmp_path)
    files = sorted(tmp_path.glob("rows*.parquet"))
    assert len(files) >= 4 and tmp_path / "rows-2.parquet" in files
    assert max(path.stat().st_size for path in files) <= small_parts
    pd.testing.assert_frame_equal(Result.load(tmp_path).rows, saved.rows)
    alone = pd.concat([pd.read_parquet(path) for path in parts.find_parts(tmp_path)])
    assert alone["frame"].tolist() == list(range(20_000))


def test_parts_of_an_earlier_result_are_taken_away(tmp_path: Path, small_parts: int) -> None:
    Result([], [], [metric()], many_rows(20_000)).save(tmp_path)
    (tmp_path / "rows-of-mine.parquet").write_text("not ours")
    fewer = Result([], [], [metric()], many_rows(1_000))
    fewer.save(tmp_path)
    mine = ["rows-of-mine.parquet"]
    assert sorted(os.listdir(tmp_path)) == ["results.json", *mine, "rows.parquet"]
    pd.testing.assert_frame_equal(Result.load(tmp_path).rows, fewer.rows)


def test_a_save_that_stops_between_parts_is_not_taken_for_a_result(
    tmp_path: Path, small_parts: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    Result([Provenance(command="first", version="0")], [], [metric()]).save(tmp_path)
    written: list[Path] = []
    whole = atomic_path

    def stop(path: Path) -> Any:
        written.append(path)
        if len(written) == 2:
            raise KeyboardInterrupt
        return whole(path)

    second = Result([Provenance(command="second", version="0")], [], [], many_rows(20_000))
    with monkeypatch.context() as patch:
        patch.setattr(parts, "atomic_path", stop)
        with pytest.raises(KeyboardInterrupt):
            second.save(tmp_path)
    assert [path.name for path in written] == ["rows.parquet", "rows-2.parquet"]
    with pytest.raises(UserError, match=r"holds no results\.json\."):
        Result.load(tmp_path)
    second.save(tmp_path)
    loaded = Result.load(tmp_path)
    assert [p.command for p in loaded.provenance] == ["second"]
    assert len(loaded.rows) == 20_000


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
    each = [Result([], [], [metric(subject=s, train_seed=t, value=v)]) for s, t, v in cases]
    whole = merge(each)
    assert merge([whole, whole]).metrics == whole.metrics
    assert merge([merge(each[:4]), merge(each[4:])]).metrics == whole.metrics
    assert {(m.subject, m.train_seed): m.value for m in whole.metrics} == {
        (s, t): pytest.approx(v, rel=1e-8) for s, t, v in cases
    }


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity", "1e999"])
@pytest.mark.parametrize("place", ['"wall_seconds": null', '"step": null', '"value"'])
def test_what_is_no_number_is_damage_and_no_missing_number(
    tmp_path: Path, word: str, place: str
) -> None:
    settings = {"nested": {"deep": 0.125}}
    record = Provenance(command="c", version="v", settings=settings)
    one = Metric(model="a", family="f", world="w", analysis="probe", metric="m", value=0.0625)
    Result([record], [ModelEntry(name="a", family="f", fingerprint="x")], [one]).save(tmp_path)
    path = tmp_path / "results.json"
    whole = path.read_text(encoding="utf-8")
    damaged = (
        whole.replace("0.0625", word)
        if place == '"value"'
        else whole.replace(place, f"{place.partition(':')[0]}: {word}")
    )
    assert damaged != whole
    path.write_text(damaged, encoding="utf-8")
    with pytest.raises(UserError) as caught:
        Result.load(tmp_path)
    assert str(caught.value) == (
        f"{path} holds {word}, which is no number; numbers that could not be measured are stored "
        "as null. It was damaged, or edited by another program; run the analysis that wrote it "
        "again."
    )


@pytest.mark.parametrize(
    ("curves", "why"),
    [
        ({"step": [1, 2], "loss": [0.5]}, "the curve 'loss' has 1 values at 2 steps"),
        ({"loss": [0.5]}, "curves without their steps"),
    ],
)
def test_a_curve_has_a_value_a_step(tmp_path: Path, curves: dict[str, Any], why: str) -> None:
    entry = ModelEntry(name="a", family="f", fingerprint="x", curves={"step": [1], "loss": [0.5]})
    Result([], [entry], []).save(tmp_path)
    path = tmp_path / "results.json"
    stored = json.loads(path.read_text(encoding="utf-8"))
    stored["models"][0]["curves"] = curves
    path.write_text(json.dumps(stored), encoding="utf-8")
    with pytest.raises(UserError) as caught:
        Result.load(tmp_path)
    assert str(caught.value) == (
        f"{path} does not fit the results schema at models.0.curves: Value error, {why}. Run the "
        "analysis that wrote it again."
    )
