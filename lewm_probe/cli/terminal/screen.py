"""The one way to a terminal: what names, notes and paths of strangers hold is shown, never obeyed.

Tables and notes take words through ``core.escaping.terminal`` themselves, as widths are counted
before anything is drawn. What was forgotten there is caught here: this console reads no markup, and
whatever is drawn on it is looked through once more.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from lewm_probe.core.escaping import terminal

if TYPE_CHECKING:
    from rich.console import Console as RichConsole
    from rich.console import ConsoleOptions, RenderableType
    from rich.segment import Segment


def screen(*, errors: bool = False, width: int | None = None) -> RichConsole:
    """Standard output or standard error as rich sees it now.

    Args:
        errors: standard error; its lines are broken in a terminal only.
        width: in columns; the terminal's where not given.
    """
    made: RichConsole = _kind()(
        stderr=errors,
        width=width,
        soft_wrap=errors and not sys.stderr.isatty(),
        highlight=False,
        markup=False,
        emoji=False,
    )
    return made


@functools.cache
def _kind() -> Any:
    """The class, made when it is first needed: ``--help`` imports no rich console."""
    from rich.console import Console as RichConsole
    from rich.segment import Segment as Drawn

    class Screen(RichConsole):
        def render(
            self, renderable: RenderableType, options: ConsoleOptions | None = None
        ) -> Iterable[Segment]:
            for text, style, control in super().render(renderable, options):
                yield Drawn(text if control else terminal(text, lines=True), style, control)

    return Screen
