from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import Image

from lewm_probe.core.errors import UserError
from lewm_probe.reports.understanding import page, words
from lewm_probe.reports.understanding.figure import figure
from lewm_probe.reports.understanding.study import Asked, Study, needed, studies
from lewm_probe.results.result import Result
from tests.reports.page.test_write import Page
from tests.reports.understanding.made import Design, make_planned


def write(result: Result, folder: Path, notes: Sequence[str] = ()) -> page.Written:
    made, _ = studies(result, Asked())
    return page.write(
        needed(result), made, folder,
        asked=Asked(), seed=0, command="lewm-probe correlate a", seconds=1.0, notes=notes,
    )  # fmt: skip


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> page.Written:
    return write(make_planned(), tmp_path_factory.mktemp("study"), ["a <note>"])


@pytest.fixture(scope="module")
def study() -> Study:
    (made,), _ = studies(make_planned(), Asked())
    return made


def test_the_page_is_whole_and_fetches_nothing(written: page.Written, study: Study) -> None:
    text = written.page.read_text()
    parsed = Page(text)
    assert parsed.fetched == []
    assert len(set(parsed.ids)) == len(parsed.ids)
    for link in parsed.links:
        assert link[1:] in parsed.ids if link[0] == "#" else (written.folder / link).is_file()
    assert "Does understanding predict planning in TwoRoom?" in text
    assert "a &lt;note&gt;" in text
    markdown = (written.folder / "report.md").read_text()
    assert words.answer(study) in markdown
    assert "(figures/understanding-two-room.png)" in markdown


def test_the_numbers_are_there_as_json_and_csv(written: page.Written, study: Study) -> None:
    stored = json.loads(written.numbers.read_text())
    (world,) = stored["worlds"]
    assert world["answer"] == words.paragraph(study)
    assert stored["provenance"]["command"] == "lewm-probe correlate a"
    found = {(one["family"], one["measure"]): one for one in world["correlations"]}
    assert len(world["checkpoints"]) == 24
    assert set(world["checkpoints"][0]["measures"]) == {one.name for one in study.measured}
    tables = written.folder / "tables"
    with open(tables / "understanding-two-room-correlations.csv") as file:
        rows = {row["name"]: row for row in csv.DictReader(file)}
    for one in study.found:
        name = one.measured.name
        ends = (one.rho.value, one.rho.low, one.rho.high)
        assert [found[None, name][f"rho{end}"] for end in ("", "_low", "_high")] == list(ends)
        shown = [float(rows[name][f"rho{end}"]) for end in ("", "_low", "_high")]
        assert shown == pytest.approx(ends, rel=1e-7)
    assert found["pldm", "position_r2"]["rho_low"] is None
    assert found[None, "position_r2"]["shown"]
    assert rows["rollout_error"]["better"] == "lower"
    with open(tables / "understanding-two-room-checkpoints.csv") as file:
        shares = [float(row["success"]) for row in csv.DictReader(file)]
    assert shares == pytest.approx(list(study.success), rel=1e-7)


def test_the_folder_makes_the_same_study_again(written: page.Written, tmp_path: Path) -> None:
    again = write(Result.load(written.folder), tmp_path)
    same = ["tables/understanding-two-room-correlations.csv", "figures/understanding-two-room.png"]
    for name in (*same, "rows.parquet"):
        assert (again.folder / name).read_bytes() == (written.folder / name).read_bytes()


def test_the_figure_at_both_widths_clips_nothing(written: page.Written, study: Study) -> None:
    figures = written.folder / "figures"
    names = ("", "-column")
    for suffix in ("pdf", "svg"):
        assert all((figures / f"understanding-two-room{n}.{suffix}").is_file() for n in names)
    with Image.open(figures / "understanding-two-room.png") as image:
        edges = image.convert("L")
        width, height = edges.size
        for box in (
            (0, 0, width, 2),
            (0, height - 2, width, height),
            (0, 0, 2, height),
            (width - 2, 0, width, height),
        ):
            assert edges.crop(box).getextrema() == (255, 255)
    plot = figure(study)
    assert plot is not None
    assert plot.caption == (
        "TwoRoom, n = 24 checkpoints of 12 training runs, success over 60 pairs. Lines: 95 % "
        "intervals, runs and pairs drawn again together (none where there are fewer than five "
        "runs). Filled: confirmatory; square: validation loss; ↓: less is better. Shaded: "
        "correlations that so many checkpoints are not sure to show (|ρ| below 0.62). Points: "
        "Position R², a thin line joins the checkpoints of a run."
    )


def test_success_that_does_not_vary_has_no_figure(tmp_path: Path) -> None:
    whole = make_planned()
    whole.rows["value"] = 0.0
    done = write(whole, tmp_path)
    assert not (done.folder / "figures").exists()
    assert "none is shown to predict planning success here" in done.page.read_text()


def test_what_another_study_left_goes(tmp_path: Path) -> None:
    few: Design = [("lewm", "lewm", (1, 2, 3, 4, 5), (900,))]
    write(make_planned(few, world="push-t"), tmp_path)
    assert (tmp_path / "figures/understanding-push-t.png").is_file()
    write(make_planned(few), tmp_path)
    assert not list(tmp_path.rglob("understanding-push-t*"))
    assert (tmp_path / "figures/understanding-two-room.png").is_file()


def test_results_of_something_else_are_not_replaced(tmp_path: Path) -> None:
    make_planned().save(tmp_path)
    with pytest.raises(UserError) as caught:
        write(make_planned(), tmp_path)
    assert str(caught.value) == (
        f"{tmp_path} holds the results of something else, which the study would replace by those "
        "few that it reads. Choose another folder with --out."
    )
    assert len(Result.load(tmp_path).metrics) == len(make_planned().metrics)
