from __future__ import annotations

import io
import re

import pytest
from rich.console import Console
from typer.testing import CliRunner

from lewm_probe.cli.main import app
from lewm_probe.cli.terminal.tables import UNBOUNDED, FittedTable, Heading, table
from lewm_probe.reports.formatting import Number


def printed(drawn: object, width: int = 80) -> list[str]:
    file = io.StringIO()
    Console(file=file, width=width, highlight=False).print(drawn)
    return [line.rstrip() for line in file.getvalue().splitlines()]


def rows(lines: list[str]) -> list[list[str]]:
    """The cells of every line of a table."""
    return [[c.strip() for c in re.split("[┃│]", line)[1:-1]] for line in lines if line[0] in "┃│"]


COLUMNS = ["model", "AUROC at onset", "gain over the best baseline", "best baseline", "seventh"]
CELLS: list[object] = ["lewm", Number(0.99876, 0.981, 0.999), 0.0123, "random encoder", 7]


def results() -> FittedTable:
    return table("voe", COLUMNS, [[Heading("Teleport of agent")], CELLS])


def test_a_wide_terminal_shows_everything_that_is_not_only_for_wide():
    lines = printed(results(), 120)
    assert rows(lines)[-2:] == [
        ["Teleport of agent", "", "", "", ""],
        ["lewm", "0.9988", "0.0123", "random encoder", "7"],
    ]
    assert not any("Not shown" in line for line in lines)


def test_a_narrow_one_leaves_out_the_least_important_columns_and_says_so():
    lines = printed(results(), 60)
    assert rows(lines)[-1] == ["lewm", "0.9988", "0.0123", "random encoder"]
    assert lines[-1] == "Not shown: seventh (--wide)"
    assert max(map(len, lines)) <= 60


def test_without_bounds_numbers_stand_with_their_intervals():
    lines = printed(table("voe", COLUMNS, [CELLS], wide=["seventh"]), UNBOUNDED)
    assert rows(lines)[-1] == ["lewm", "0.9988 [0.9810, 0.9990]", "0.0123", "random encoder", "7"]
    assert printed(table("voe", COLUMNS, [CELLS], wide=["seventh"]), 300)[-1] == (
        "Not shown: seventh (--wide)"
    )


def test_words_go_on_in_the_next_line_between_words():
    finding = "the actions of row 12 do not lead from one image to the next one at all, it seems"
    lines = printed(table("checks", ["check", "finding"], [["a", finding]], numbers=False), 40)
    told = " ".join(cell[1] for cell in rows(lines)[1:])
    assert told == finding
    assert max(map(len, lines)) <= 40


def test_a_word_wider_than_the_terminal_is_folded_never_cut():
    digest = "0123456789abcdef" * 6
    lines = printed(table("file", ["", ""], [["fingerprint", digest]]), 60)
    assert "".join(cell[1] for cell in rows(lines)) == digest
    assert max(map(len, lines)) <= 60


@pytest.mark.parametrize("width", [20, 40, 79, 80, 200])
def test_no_line_is_wider_than_the_terminal(width):
    many = [f"a column of words {k}" for k in range(12)]
    wide: list[object] = ["a name that is long", *(k / 7 for k in range(11))]
    assert max(map(len, printed(table("t", many, [wide]), width))) <= width


def test_columns_of_words_are_left_aligned_and_of_numbers_right():
    lines = printed(table("t", ["n", "a", "b"], [["x", "word", 1.0], ["y", "two words", 22.5]]))
    assert lines[-3:-1] == ["│ x │ word      │ 1.00 │", "│ y │ two words │ 22.5 │"]


def test_markup_of_names_is_nothing_but_letters():
    assert rows(printed(table("[b]t[/b]", ["[i]"], [["[/x] [link=u]"]])))[-1] == ["[/x] [link=u]"]


@pytest.mark.parametrize(
    "words",
    [
        *(["audit"], ["probe"], ["voe"], ["straightness"], ["rollout"], ["geometry"]),
        *(["map"], ["decode"]),
        *(["report"], ["demo"], ["study"], ["recipes", "ls"]),
    ],
)
def test_every_command_that_ends_with_results_can_show_them_wide(words: list[str]) -> None:
    answer = CliRunner().invoke(app, [*words, "--help"], env={"COLUMNS": "200"})
    assert answer.exit_code == 0
    assert "--wide" in answer.stdout


def test_a_gate_fits_the_terminal_and_says_everything() -> None:
    columns = ["", "threshold", "model", "measured", "asked"]
    title = "voe auroc subject step_teleport_agent window onset"
    rows_of = [["FAILED", title, "lewm", "0.61 [0.55, 0.67]", "at least 0.7"]]
    lines = printed(table("gate gate.yaml", columns, rows_of))
    assert max(map(len, lines)) <= 80
    assert not any("Not shown" in line for line in lines)
    told = [" ".join(part) for part in zip(*rows(lines)[1:], strict=True)]
    assert [" ".join(cell.split()) for cell in told] == rows_of[0]
