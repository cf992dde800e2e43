"""``demo``: the smallest study, and where its report is."""

from __future__ import annotations

from pathlib import Path

from lewm_probe.cli import options
from lewm_probe.cli.searches.study import run_study
from lewm_probe.cli.terminal.console import Console


def demo(
    out: options.Out = None,
    seed: options.Seed = None,
    device: options.Device = "auto",
    json: options.Json = False,
    quiet: options.Quiet = False,
    wide: options.Wide = False,
    debug: options.Debug = False,
) -> None:
    """Collect TwoRoom, train LeWM and PLDM small, audit both, write the report.

    At most eight minutes on two cores without a GPU.

    Stop it whenever you like: called again, it goes on where it stopped and repeats nothing.
    """
    from lewm_probe.core.devices import resolve_device
    from lewm_probe.search.demo import demo_study

    console = Console(json=json, quiet=quiet, wide=wide)
    run_study(demo_study(out or Path("runs/demo"), seed), resolve_device(device), console)
