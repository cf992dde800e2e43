"""``inspect CKPT``: what a checkpoint is, without running it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lewm_probe.cli import options
from lewm_probe.cli.console import Console, table


def inspect(
    checkpoint: Annotated[
        Path, typer.Argument(metavar="CKPT", help="A run folder or a .safetensors file.")
    ],
    json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Say what a checkpoint is: family, sizes, training, statistics, parameters."""
    from lewm_probe.models.checkpoint import load_checkpoint, read_header, resolve_checkpoint

    console = Console(json=json, quiet=quiet)
    path = resolve_checkpoint(checkpoint)
    header, model = read_header(path), load_checkpoint(path)
    parts = {
        name: sum(p.numel() for p in part.parameters()) for name, part in model.named_children()
    }
    parts = {name: count for name, count in parts.items() if count}
    parameters = sum(parts.values())
    facts = {
        "family": header.meta.family,
        "world": header.meta.world,
        "recipe": header.meta.recipe,
        "training seed": header.meta.seed,
        "step": header.meta.step,
        "epoch": header.meta.epoch,
        "data": header.meta.data_fingerprint,
        "fingerprint": model.fingerprint,
        "written by lewm-probe": header.written_by,
        "picture": f"{model.spec.image_size} px",
        "history": f"{model.spec.history} frames",
        "frame-skip": model.spec.frame_skip,
        "action block": model.spec.action_width,
        "latent width": model.spec.latent_width,
        "encoder": header.config.encoder.name,
        "action mean": " ".join(f"{v:.4g}" for v in header.action_mean),
        "action SD": " ".join(f"{v:.4g}" for v in header.action_std),
        "parameters": f"{parameters:,}",
        **{f"  {name}": f"{count:,}" for name, count in parts.items()},
    }
    data = {
        "path": str(path),
        "header": header.model_dump(mode="json"),
        "fingerprint": model.fingerprint,
        "parameters": {"total": parameters, **parts},
    }
    console.finish(table(str(path), ("", ""), facts.items()), data)
