"""What a terminal itself is sent: our own colours and bars, and nothing of anybody's names."""

from __future__ import annotations

import io
import re
import time
from collections.abc import Iterator

import pytest
from rich.console import Console as RichConsole
from rich.live import Live
from rich.table import Table
from rich.text import Text

from lewm_probe.cli.terminal import bars, screen
from lewm_probe.cli.terminal.bars import Bars
from lewm_probe.cli.terminal.console import Console
from lewm_probe.cli.terminal.errors import print_error
from lewm_probe.cli.terminal.runs_table import RunsTable
from lewm_probe.cli.terminal.tables import Heading, table
from lewm_probe.cli.terminal.training_table import TrainingTable
from lewm_probe.core.escaping import HIDDEN

NAMES = {
    "\x1b[31mred": r"\x1b[31mred",
    "\x9bm": r"\x9bm",
    "[link=https://a.b]x[/link]": "[link=https://a.b]x[/link]",
    "[/x]": "[/x]",
    "[bold]b": "[bold]b",
    ":smile:": ":smile:",
    "\u202egpj.exe": r"\u202egpj.exe",
    "one\ntwo": r"one\ntwo",
    "\r\x07\x08back": r"\r\x07\x08back",
    "\udcff": r"\udcff",
}
OURS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
"""Codes that rich sends for colours, and to draw anew."""


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """What a colour terminal of 100 columns is sent by every console that is made."""
    stream = io.StringIO()
    made = screen._kind()

    def console(**options: object) -> RichConsole:
        given = {k: v for k, v in options.items() if k not in ("stderr", "width")}
        there: RichConsole = made(
            file=stream, force_terminal=True, color_system="truecolor", width=100, **given
        )
        return there

    monkeypatch.setattr(screen, "_kind", lambda: console)
    yield stream


def shown(stream: io.StringIO) -> str:
    """The words, without our own codes; nothing else hidden is among them."""
    text = OURS.sub("", stream.getvalue()).replace("\r\n", "\n")
    text = re.sub(r"^\r|(?<=\n)\r", "", text)
    hidden = re.findall(f"(?!\n)[{HIDDEN}]", text)
    assert set(hidden) <= {"\r"}, [ascii(c) for c in hidden]
    return text.replace("\r", "")


@pytest.mark.parametrize("name", NAMES)
def test_notes_errors_and_paths(sent: io.StringIO, name: str) -> None:
    console = Console()
    console.note(f"about {name}.")
    print_error(f"There is no {name}.")
    text = shown(sent)
    assert f"about {NAMES[name]}." in text
    assert f"Error: There is no {NAMES[name]}." in text
    assert text.count("\n") == 2


@pytest.mark.parametrize("name", NAMES)
def test_tables(sent: io.StringIO, name: str) -> None:
    drawn = table(name, ("", name), [[Heading(name)], [name, name]], numbers=False)
    Console().errors.print(drawn)
    text = shown(sent)
    assert text.count(NAMES[name]) == 5, text
    widths = {len(line) for line in text.splitlines() if line.startswith(("│", "┃"))}
    assert len(widths) == 1, text


@pytest.mark.parametrize("name", NAMES)
def test_what_forgot_to_escape_is_shown_all_the_same(sent: io.StringIO, name: str) -> None:
    """Whatever anybody hands to a console: strings, rich's own tables, texts, live ones."""
    console = Console().errors
    drawn = Table(title=name, caption=name)
    drawn.add_column(name)
    drawn.add_row(name)
    console.print(drawn)
    console.print(name)
    console.print(Text(name))
    with Live(drawn, console=console, refresh_per_second=1):
        pass
    shown(sent)


@pytest.mark.parametrize("name", NAMES)
def test_bars(sent: io.StringIO, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bars, "SHOWN_AFTER", 0.0)
    drawn = Bars(Console().errors)
    with drawn.task(f"Work on {name}", 2) as task:
        task.advance()
        time.sleep(0.15)
        drawn._bars.refresh()  # type: ignore[union-attr]
    drawn.close()
    assert f"Work on {NAMES[name]}" in shown(sent)


@pytest.mark.parametrize("name", NAMES)
def test_training(sent: io.StringIO, name: str) -> None:
    with TrainingTable(Console(), name) as live:
        live.log({"step": 1, "total_steps": 2, "loss": 1.0, name: 2.0, "split": "train"})
        live.log({"step": 1, "loss": 1.0, name: 2.0, "split": "validation"})
    assert NAMES[name] in shown(sent)
    with RunsTable(Console(), name):
        pass
    shown(sent)
