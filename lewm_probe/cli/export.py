"""``export CKPT``: write a checkpoint in the released shape, for users of the published code."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lewm_probe.cli import options
from lewm_probe.cli.terminal.console import Console
from lewm_probe.cli.terminal.tables import table


def export(
    checkpoint: Annotated[str, typer.Argument(metavar="CKPT", help=options.ONE_CHECKPOINT)],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder for config.json and weights.pt.")
    ],
    action_stats: options.ActionStats = None,
    dataset: options.Dataset = None,
    family: options.Family = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Write a checkpoint in the released shape: config.json, weights.pt, lewm_probe.json."""
    from lewm_probe.models.checkpoints.load import examine_alone
    from lewm_probe.models.checkpoints.swm.export import export_swm

    console = Console(json=json, quiet=quiet)
    reported = options.loading(action_stats, dataset, family)
    examined = examine_alone(checkpoint, reported, need_statistics=True)
    located = examined.located
    model = examined.model
    assert model is not None  # statistics were needed, so there are some
    export_swm(out, model, meta=examined.meta)
    facts = {
        "from": str(located.weights),
        "family": model.spec.family,
        "tensors": examined.tensors,
        "parameters": f"{sum(examined.parts.values()):,}",
        "action statistics": model.statistics_source,
        "fingerprint": model.fingerprint,
    }
    data = {
        "path": str(out),
        "source": str(located.weights),
        "family": model.spec.family,
        "tensors": examined.tensors,
        "parameters": sum(examined.parts.values()),
        "action_statistics": model.statistics_source,
        "fingerprint": model.fingerprint,
    }
    console.finish(table(str(out), ("", ""), facts.items()), data, out)
