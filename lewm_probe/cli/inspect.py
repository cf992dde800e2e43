"""``inspect CKPT``: what a checkpoint is, without running it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from lewm_probe.cli import options
from lewm_probe.cli.terminal.console import Console
from lewm_probe.cli.terminal.tables import table

if TYPE_CHECKING:
    from lewm_probe.models.checkpoints.registry import Loaded

UNKNOWN = "unknown: give --action-stats or --dataset"
"""Shown for action statistics that a checkpoint does not carry."""


def inspect(
    checkpoint: Annotated[str, typer.Argument(metavar="CKPT", help=options.ONE_CHECKPOINT)],
    action_stats: options.ActionStats = None,
    dataset: options.Dataset = None,
    family: options.Family = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Say what a checkpoint is: family, sizes, training, statistics, parameters."""
    from lewm_probe.models.checkpoints.load import examine_alone

    console = Console(json=json, quiet=quiet)
    examined = examine_alone(checkpoint, options.loading(action_stats, dataset, family))
    title = str(examined.located.weights)
    console.finish(table(title, ("", ""), _facts(examined).items()), _plain(examined))


def _facts(examined: Loaded) -> dict[str, Any]:
    located, meta, model = examined.located, examined.meta, examined.model
    spec, own = examined.spec, examined.facts
    encoder = getattr(examined.sizes, "encoder", None)  # of LeWM and PLDM
    known = model.action_statistics if model else None
    facts: dict[str, Any] = {
        "kind": located.kind,
        "family": meta.family,
        "world": meta.world,
        "recipe": meta.recipe,
        "training seed": meta.seed,
        "step": meta.step,
        "epoch": meta.epoch,
        "data": meta.data_fingerprint,
        "fingerprint": model.fingerprint if model else UNKNOWN,
    }
    if "header" in own:
        facts["written by lewm-probe"] = own["header"]["written_by"]
    if "configuration" in own:
        facts["configuration"] = own["configuration"]
        facts["spelling"] = own["spelling"]
        facts["wrapped"] = own["wrapper"] or "no"
        facts["left aside"] = _some(own["left_aside"])
    if located.run_checkpoints:
        facts["checkpoints of the run"] = _some([path.name for path in located.run_checkpoints])
    return facts | {
        "image": f"{spec.image_size} px",
        "history": f"{spec.history} frame{'s' if spec.history > 1 else ''}",
        "frame-skip": spec.frame_skip if model else UNKNOWN,
        "action block": spec.action_width,
        "latent width": spec.latent_width,
        **({"tokens": spec.tokens} if spec.tokens > 1 else {}),
        **({"encoder": encoder.name} if encoder else {}),
        "action statistics": model.statistics_source if model else UNKNOWN,
        "action mean": " ".join(f"{v:.4g}" for v in known.mean) if known else UNKNOWN,
        "action SD": " ".join(f"{v:.4g}" for v in known.std) if known else UNKNOWN,
        "tensors": examined.tensors,
        "parameters": f"{sum(examined.parts.values()):,}",
        **{f"  {name}": f"{count:,}" for name, count in examined.parts.items()},
    }


def _plain(examined: Loaded) -> dict[str, Any]:
    located, model, own = examined.located, examined.model, examined.facts
    known = model.action_statistics if model else None
    return {
        "path": str(located.weights),
        "kind": located.kind,
        "header": own.get("header"),
        "meta": examined.meta.model_dump(mode="json"),
        "config": examined.sizes.model_dump(mode="json"),
        "frame_skip": examined.spec.frame_skip if model else None,
        "action_statistics": {
            "source": model.statistics_source if model else None,
            "mean": list(known.mean) if known else None,
            "std": list(known.std) if known else None,
        },
        "configuration": own.get("configuration"),
        "spelling": own.get("spelling"),
        "wrapper": own.get("wrapper"),
        "left_aside": own.get("left_aside", []),
        "history": [path.name for path in located.run_checkpoints],
        "fingerprint": model.fingerprint if model else None,
        "tensors": examined.tensors,
        "parameters": {"total": sum(examined.parts.values()), **examined.parts},
    }


def _some(names: Any) -> str:
    shown = list(names)
    if len(shown) > 6:
        shown = [*shown[:3], f"… {len(shown) - 6} more …", *shown[-3:]]
    return ", ".join(shown) or "nothing"
