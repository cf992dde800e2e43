"""``export CKPT``: write a checkpoint in the released shape, for users of the published code."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lewm_probe.cli import options
from lewm_probe.cli.console import Console, table


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
    from lewm_probe.models.load import LoadOptions, examine
    from lewm_probe.models.locate import locate
    from lewm_probe.models.released_save import save_released

    console = Console(json=json, quiet=quiet)
    told = LoadOptions(action_stats or (), dataset or (), family or ()).meant()
    located = locate(checkpoint)
    told.check_names([located.name])
    examined = examine(located, told.chosen(located.name), need_statistics=True)
    model = examined.model
    assert model is not None  # statistics were needed, so there are some
    save_released(out, model, meta=examined.meta)
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
