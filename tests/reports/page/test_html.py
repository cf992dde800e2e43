from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from lewm_probe.reports.page.html import reach
from lewm_probe.reports.page.write import write_report
from lewm_probe.reports.tables.table import Column, Row, Table, text
from lewm_probe.results.result import Result
from tests.fixtures.reports import blank_figures

CSS = Path(__file__).parents[3] / "lewm_probe/reports/page/report.css"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("page")
    result: Result = request.getfixturevalue("result")
    with blank_figures():
        written = write_report(result, folder)
    yield written.html.read_text(encoding="utf-8")


class Tables(HTMLParser):
    """Every region around a table, and what is in the first cells of its rows."""

    def __init__(self) -> None:
        super().__init__()
        self.regions: list[dict[str, str | None]] = []
        self.outside = 0
        self.firsts: list[tuple[str, str | None]] = []
        self._fresh = False
        self._open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag == "div" and "scroll" in (found.get("class") or "").split():
            self.regions.append(found)
            self._open.append("scroll")
        elif tag == "div":
            self._open.append("div")
        if tag == "table" and "scroll" not in self._open:
            self.outside += 1
        if tag == "tr":
            self._fresh = True
        elif tag in ("th", "td") and self._fresh:
            self.firsts.append((tag, found.get("scope")))
            self._fresh = False

    def handle_endtag(self, tag: str) -> None:
        if tag == "div" and self._open:
            self._open.pop()


def test_every_table_is_a_region_that_keyboards_reach_and_that_says_what_it_is(page: str) -> None:
    found = Tables()
    found.feed(page)
    assert len(found.regions) > 10
    assert found.outside == 0
    for region in found.regions:
        assert (region["tabindex"], region["role"]) == ("0", "region")
        assert re.fullmatch(
            r".+: table, scrolls sideways where it is wider than the page", region["aria-label"]
        )


def test_the_first_cell_of_every_row_is_a_heading_that_stays(page: str) -> None:
    found = Tables()
    found.feed(page)
    assert {tag for tag, _ in found.firsts} == {"th"}
    css = CSS.read_text(encoding="utf-8")
    (rule,) = re.findall(r'^tbody th\[scope="row"\], thead th:first-child \{([^}]+)\}', css, re.M)
    assert "position: sticky; left: 0" in rule
    assert not re.search(r"\.(glance|wrap)[^{]*\{[^}]*position: static", css)


def test_edges_beyond_which_there_is_more_have_a_shadow_in_both_schemes(page: str) -> None:
    css = CSS.read_text(encoding="utf-8")
    (rule,) = re.findall(r"^\.scroll \{(.+?)\}$", css, re.M | re.S)
    assert rule.count("var(--shade)") == 2
    assert rule.count("local") == 2  # covers that scroll along and hide the shadow at the end
    assert page.count("--shade:") == 2


def test_on_paper_nothing_scrolls_or_stays(page: str) -> None:
    printed = page.partition("@media print {")[2]
    assert ".scroll { overflow: visible;" in printed
    assert "position: static" in printed


def table(*widths: int) -> Table:
    columns = tuple(Column(f"c{k}", "t") for k in range(len(widths)))
    row = Row({f"c{k}": text("x" * width) for k, width in enumerate(widths)})
    return Table("t", "T", "", columns, (row,))


@pytest.mark.parametrize(
    ("widths", "says"),
    [
        ((10, 10), ""),
        ((20, 20, 20), "beyond-phone"),
        ((20,) * 8, "beyond-phone beyond-page"),
    ],
)
def test_tables_say_that_they_scroll_where_they_do(widths: tuple[int, ...], says: str) -> None:
    assert reach(table(*widths)) == says


def test_the_hint_is_there_for_eyes_alone(page: str) -> None:
    assert '<p class="more" aria-hidden="true">Scroll sideways for more columns</p>' in page
