from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from lewm_probe.core.errors import UserError
from lewm_probe.reports import Report, write_report
from lewm_probe.reports.figures.style import Plot
from lewm_probe.reports.page.sections import content
from lewm_probe.reports.results_view import views
from lewm_probe.results.result import Result
from lewm_probe.results.schema import Metric

VOID = {"meta", "br", "img", "link", "hr", "input"}


class Page(HTMLParser):
    """Checks nesting; collects ids, links and attributes that could fetch something."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.fetched: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        self._look(tag, attrs)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._look(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def _look(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {key: value or "" for key, value in attrs}
        if "id" in given:
            self.ids.append(given["id"])
        if tag == "a":
            self.links.append(given["href"])
        if tag in ("script", "link", "iframe"):
            self.fetched.append(tag)
        for key in ("src", "srcset", "xlink:href"):
            if key in given and not given[key].startswith(("#", "data:")):
                self.fetched.append(given[key])


@pytest.fixture(scope="module")
def report(small: Result, tmp_path_factory: pytest.TempPathFactory) -> Report:
    return write_report(small, tmp_path_factory.mktemp("report"), title="A <title>")


def test_the_page_is_whole_and_asks_nothing_of_a_network(report: Report) -> None:
    text = report.html.read_text(encoding="utf-8")
    page = Page(text)
    assert page.fetched == []
    assert len(text.encode()) < 4_000_000
    assert len(set(page.ids)) == len(page.ids)
    targets = {link[1:] for link in page.links if link.startswith("#")}
    assert targets <= set(page.ids)
    for link in page.links:
        assert link.startswith("#") or (report.folder / link).is_file(), link
    style = text.split("<style>")[1].split("</style>")[0]
    assert "url(" not in style
    assert "@import" not in style
    assert "prefers-color-scheme: dark" in style
    assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in text


def test_warnings_stand_first_and_are_escaped(report: Report) -> None:
    text = report.html.read_text(encoding="utf-8")
    warning = "Preflight, pldm: a &lt;warning&gt; &amp; more."
    assert text.index("<h1>A &lt;title&gt;</h1>") < text.index(warning) < text.index("<h2>")
    marked = report.markdown.read_text(encoding="utf-8")
    assert marked.startswith("<!-- written by lewm-probe -->\n\n# A &lt;title>\n")
    assert marked.index("- Preflight, pldm: a &lt;warning> & more.") < marked.index("## TwoRoom")


def test_markdown_shows_every_figure_and_table(report: Report) -> None:
    text = report.markdown.read_text(encoding="utf-8")
    for path in re.findall(r"\]\(((?:figures|tables)/[^)]+)\)", text):
        assert (report.folder / path).is_file(), path
    for path in report.tables:
        assert f"tables/{path.name}" in text
    assert text.count("![") == len([p for p in report.figures if p.suffix == ".png"])
    assert "in both of these checkpoints." in text


def test_files_are_where_they_should_be_and_nothing_else(report: Report) -> None:
    expected = {report.html, report.markdown, *report.figures, *report.tables}
    others = {"results.json", "rows.parquet"}
    found = {p for p in report.folder.rglob("*") if p.is_file() and p.parent.name != "pictures"}
    assert {p.name for p in found - expected} == others
    assert expected <= found
    assert max(p.stat().st_size for p in found) < 5_000_000
    names = {p.name for p in report.figures}
    for figure in (
        "surprise",
        "filmstrip",
        "auroc",
        "scatter-agent-position",
        "straightness",
        "training",
        "rollout",
        "latents",
        "losses",
    ):
        assert {f"two-room-{figure}.{end}" for end in ("pdf", "svg", "png")} <= names
    assert {path.suffix for path in report.tables} == {".tex", ".csv"}


def test_the_folder_is_a_results_folder(report: Report, small: Result) -> None:
    again = Result.load(report.folder)
    assert again.metrics == small.metrics
    assert set(again.images) == set(small.images)
    pd.testing.assert_frame_equal(again.rows, small.rows, check_like=False)


def test_parts_of_a_report_can_be_missing_and_worlds_are_apart(
    make: Callable[..., Result], tmp_path: Path
) -> None:
    lone = (("lewm", "lewm", (0,)),)
    first = make(models=lone, analyses=("geometry",))
    bare = Result(first.provenance, [], first.metrics)
    second = make(models=lone, analyses=("straightness",), world="push-t")
    second = Result(second.provenance, [], [m for m in second.metrics if m.stride == 5])
    (tmp_path / "figures").mkdir()
    (tmp_path / "report.html").write_text("<!-- written by lewm-probe --> an earlier report")
    for name in ("two-room-auroc.png", "mine.png", "ogb-cube-auroc.png"):
        (tmp_path / "figures" / name).write_text("earlier")
    report = write_report([bare, second], tmp_path)
    text = report.html.read_text(encoding="utf-8")
    Page(text)
    titles = re.findall(r"<h[23]>(.*?)</h[23]>", text)
    assert titles == [
        "TwoRoom",
        "Geometry and collapse",
        "Push-T",
        "Straightness",
        "Provenance",
    ]
    assert "<h1>What LeWM understood of TwoRoom and Push-T</h1>" in text
    left = {p.name for p in (tmp_path / "figures").iterdir() if p.suffix == ".png"}
    assert left == {"push-t-straightness.png", "mine.png", "ogb-cube-auroc.png"}


def test_an_interrupted_report_leaves_no_page_of_other_results(
    make: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(plot: Plot, folder: Path, names: object) -> None:
        raise KeyboardInterrupt

    (tmp_path / "report.html").write_text("<!-- written by lewm-probe --> an earlier report")
    monkeypatch.setattr("lewm_probe.reports.page.write.render", stop)
    with pytest.raises(KeyboardInterrupt):
        write_report(make(models=(("lewm", "lewm", (0,)),), analyses=("geometry",)), tmp_path)
    assert not (tmp_path / "report.html").exists()


def test_two_worlds_with_doses_make_a_whole_page(
    small: Result, dosed_result: Result, tmp_path: Path
) -> None:
    def few(m: Metric) -> bool:  # enough for the new parts; the rest is drawn elsewhere
        seen = m.analysis == "probe" and m.step == 1600 and m.control is None
        return seen or m.dose is not None or m.subject in ("teleport_both", "color_block")

    two_room = Result(small.provenance, [], [m for m in small.metrics if m.analysis == "geometry"])
    push_t = Result(dosed_result.provenance, [], [m for m in dosed_result.metrics if few(m)])
    (tmp_path / "tables").mkdir()
    (tmp_path / "report.html").write_text("<!-- written by lewm-probe --> an earlier report")
    (tmp_path / "tables" / "paper-old.csv").write_text("earlier")
    report = write_report([two_room, push_t], tmp_path)
    text = report.html.read_text(encoding="utf-8")
    page = Page(text)
    assert page.fetched == []
    assert len(set(page.ids)) == len(page.ids)
    assert {link[1:] for link in page.links if link.startswith("#")} <= set(page.ids)
    for link in page.links:
        assert link.startswith("#") or (report.folder / link).is_file(), link
    assert '<section id="push-t-dose">' in text
    assert '<section id="two-room-dose">' not in text
    assert '<th scope="colgroup" colspan="4"><span>LeWM</span></th>' in text
    names = {path.name for path in (*report.figures, *report.tables)}
    assert {"push-t-dose.pdf", "push-t-dose-column.svg", "paper-surprise.png"} <= names
    assert {"push-t-dose.csv", "push-t-paper-probes.tex", "paper-surprise.csv"} <= names
    assert not (tmp_path / "tables" / "paper-old.csv").exists()
    marked = report.markdown.read_text(encoding="utf-8")
    assert "### Dose–response" in marked
    assert "| Quantity | LeWM: linear MSE | LeWM: linear r |" in marked


def test_rows_heads_wrap_on_a_phone(report: Report) -> None:
    style = report.html.read_text(encoding="utf-8").split("<style>")[1].split("</style>")[0]
    phone = style.split("@media (max-width: 44rem) {")[1].split("@media")[0]
    wrapped = 'tbody th[scope="row"] { white-space: normal; min-width: 7.5rem; max-width: 38vw; }'
    assert wrapped in phone


PUBLISHED = sorted((Path(__file__).parents[3] / "reports").glob("*/results.json"))


@pytest.mark.parametrize("path", PUBLISHED, ids=lambda path: path.parent.name)
def test_a_report_that_was_published_before_can_be_made_again(path: Path) -> None:
    result = Result.load(path.parent)
    found = content(result, views(result), None)
    worlds = dict.fromkeys(metric.world for metric in result.metrics)
    assert [part.world for part in found.parts][: len(worlds)] == list(worlds)
    assert all(part.sections for part in found.parts)
    assert found.provenance is not None
    commands = [row.cells["command"].text for row in found.provenance.rows]
    assert set(commands) == {record.command for record in result.provenance}


def test_no_results_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError) as error:
        write_report([], tmp_path / "out")
    assert str(error.value) == (
        "There is nothing to report: no results were given. Name at least one results folder, "
        "for example one that `lewm-probe audit` wrote with --out."
    )
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("value", [None, "without metrics"])
def test_results_without_numbers_are_refused(value: str | None, tmp_path: Path) -> None:
    empty = Metric(model="m", family="f", world="w", analysis="voe", metric="auroc", value=None)
    with pytest.raises(UserError) as error:
        write_report(Result([], [], [] if value else [empty]), tmp_path / "out")
    assert str(error.value) == (
        "There is nothing to report: the results hold no numbers. Run an analysis such as "
        "`lewm-probe audit` again and give its results folder."
    )
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written_is_said_so(small: Result, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(UserError) as error:
        write_report(small, blocked)
    assert str(error.value) == (
        f"{blocked} cannot be written (Not a directory). Choose another place with --out, or "
        "change the folder's permissions."
    )
