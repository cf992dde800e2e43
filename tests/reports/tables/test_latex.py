from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lewm_probe.reports.page.sections import content
from lewm_probe.reports.results_view import views
from lewm_probe.reports.tables.latex import escape, latex
from lewm_probe.reports.tables.table import Column, Row, Table, text
from lewm_probe.results.result import Result


def commands_removed(text: str) -> str:
    """What is left when every command, escape and math switch that ``escape`` writes is gone."""
    return re.sub(r"\\[&%$#_{}]|\\[a-zA-Z]+\{\}|\$[^$]*\$", "", text)


@given(st.text(max_size=40))
def test_nothing_special_survives(text: str) -> None:
    escaped = escape(text)
    assert all(" " <= c <= "~" or "À" <= c <= "ÿ" for c in escaped)
    rest = commands_removed(escaped).replace("~", "").replace(r"\,", "")
    assert not set(rest) & set('\\&%$#_{}^<>|"')


@given(st.text("abc XYZ 012.,;:()[]+-*/=!?", max_size=40))
def test_plain_words_stay(text: str) -> None:
    assert escape(text) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("−0.5 ± 1", "$-$0.5 $\\pm$ 1"),
        ("t₀ … t₀+H−1", "t$_{0}$ \\ldots{} t$_{0}$+H$-$1"),
        ("3.2 × 10⁻⁵", "3.2 $\\times$ 10$^{-5}$"),
        ("p < 0.05, R²", "p $<$ 0.05, R$^{2}$"),
        ("C:\\x_{1}", "C:\\textbackslash{}x\\_\\{1\\}"),
        ("“médée”…☃", "``médée''\\ldots{}?"),
    ],
)
def test_what_reports_contain(text: str, expected: str) -> None:
    assert escape(text) == expected


def test_headings_over_columns_are_spanned_and_underlined() -> None:
    columns = (
        Column("q", "Quantity", numeric=False),
        Column("a", "MSE", over="A & B"),
        Column("b", "r", over="A & B"),
        Column("c", "MSE", over="C"),
    )
    drawn = latex(Table("t", "Title", "Caption", columns, (Row({"q": text("x")}),)))
    lines = drawn.split("\\toprule\n")[1].splitlines()
    assert lines[:4] == [
        r" & \multicolumn{2}{c}{A \& B} & \multicolumn{1}{c}{C} \\",
        r"\cmidrule(lr){2-3}\cmidrule(lr){4-4}",
        r"Quantity & MSE & r & MSE \\",
        r"\midrule",
    ]


@pytest.mark.parametrize("world", ["two-room", "push-t"])
def test_every_table_of_a_report_is_well_formed(
    world: str, result: Result, dosed_result: Result
) -> None:
    shown = result if world == "two-room" else dosed_result
    tables = content(shown, views(shown), None).tables
    assert len(tables) > 15
    for table in tables:
        text = latex(table)
        assert text.count("\\begin{") == text.count("\\end{") == 2
        assert [text.count(rule) for rule in ("\\toprule", "\\midrule", "\\bottomrule")] == [1] * 3
        bare = re.sub(r"\\[{}]", "", text)
        assert bare.count("{") == bare.count("}")
        assert len(re.findall(r"(?<!\\)\$", text)) % 2 == 0
        body = text.split("\\toprule\n")[1].split("\\bottomrule")[0].splitlines()
        rows = [line for line in body if line.endswith("\\\\") and "multicolumn" not in line]
        assert len(rows) == len(table.rows) + 1
        for line in rows:
            assert len(re.findall(r"(?<!\\)&", line)) == len(table.columns) - 1
            assert not line.startswith(("[", "*"))
        (align,) = re.findall(r"\\begin\{tabular\}\{@\{\}(\w+)@\{\}\}", text)
        assert len(align) == len(table.columns)
