"""Where the ``lewm-probe`` command begins and ends: whatever comes in between, it can be stopped.

The rest of the command line takes a moment to import, so it is imported once signals are heard.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from lewm_probe.core.processes import stopping

if TYPE_CHECKING:
    from lewm_probe.cli.app import app as app


def main() -> None:
    """Entry point of the ``lewm-probe`` script."""
    code: int | str | None = 1
    stopping.listen()
    try:
        from lewm_probe.cli.app import app

        app(prog_name="lewm-probe")
    except SystemExit as end:
        stopping.HEARING.over = True  # not by a call, which could be interrupted at its beginning
        code = end.code
    except KeyboardInterrupt:  # before there was a command, or while its outcome was being told
        stopping.HEARING.over = True
        sys.stderr.write("Error: Stopped. Run the same command again to go on.\n")
        code = 1
    stopping.end()
    if stopping.requested() and code == 1:
        stopping.leave(1)
    sys.exit(code)


def __getattr__(name: str) -> Any:
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from lewm_probe.cli import app

    return app.app


if __name__ == "__main__":
    main()
