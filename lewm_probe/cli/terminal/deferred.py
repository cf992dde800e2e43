"""Commands whose options are read when they are asked for, not whenever any other one is.

What a command's options are costs some milliseconds to find out, and there are two dozen commands;
the list of them needs a name and a sentence of each.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import typer
from typer.core import TyperCommand


class Deferred(TyperCommand):
    """A command's name and help; called, asked for its help or completed, it is whole."""

    function: Callable[..., Any]

    def make_context(self, *args: Any, **extra: Any) -> Any:
        """That of the command with its options, which are found out now."""
        alone = typer.Typer(add_completion=False, rich_markup_mode=self.rich_markup_mode)
        alone.command(self.name, help=self.help)(self.function)
        return typer.main.get_command(alone).make_context(*args, **extra)


def add_command(
    app: typer.Typer, name: str, function: Callable[..., Any], help: str | None = None
) -> None:
    """Add a command to an application, to be read when it is asked for."""

    def described() -> None: ...

    described.__name__, described.__doc__ = function.__name__, help or function.__doc__
    kind = type("Deferred", (Deferred,), {"function": staticmethod(function)})
    app.command(name, cls=kind)(described)
