from __future__ import annotations

from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from lewm_probe.cli.terminal.deferred import add_command
from lewm_probe.cli.terminal.errors import ReadableErrors


def measure(times: Annotated[int, typer.Option("--times", help="How often.")] = 1) -> None:
    """Measure something."""
    typer.echo(f"measured {times}")


def unreadable(value: NoSuchType = 1) -> None:  # type: ignore[name-defined]  # noqa: F821
    """Never asked for."""


@pytest.fixture
def app() -> typer.Typer:
    app = typer.Typer(cls=ReadableErrors)
    add_command(app, "measure", measure)
    add_command(app, "unreadable", unreadable, help="Said elsewhere.")
    return app


def test_a_command_that_is_asked_for_has_its_options(app: typer.Typer) -> None:
    assert CliRunner().invoke(app, ["measure", "--times", "3"]).stdout == "measured 3\n"
    assert "How often." in CliRunner().invoke(app, ["measure", "--help"]).stdout


def test_options_of_others_are_not_read(app: typer.Typer) -> None:
    listed = CliRunner().invoke(app, ["--help"]).stdout
    assert "Measure something." in listed
    assert "Said elsewhere." in listed
    assert CliRunner().invoke(app, ["unreadable"]).exit_code == 1
