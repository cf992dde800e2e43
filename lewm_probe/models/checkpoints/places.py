"""Where a checkpoint's files may lie, and what a folder is called."""

from __future__ import annotations

import re
from pathlib import Path

from lewm_probe.core.errors import UserError
from lewm_probe.core.files import resolved

CONFIG = "config.json"
SIDECAR = "lewm_probe.json"
"""What lewm-probe adds to a folder in the released shape: action statistics, and its origin."""

EPOCH_NAME = re.compile(r"weights_epoch_(\d{1,9})\.pt")
CACHE_FOLDER = re.compile(r"models--(?P<user>.+?)--(?P<repo>.+)")
SUFFIXES = (".safetensors", ".pt", ".ckpt")

EXPECTED = (
    "Give a run folder, a .safetensors file, a folder with config.json and weights.pt, or "
    "hf://user/repo."
)


def earlier_epochs(folder: Path) -> list[Path]:
    """``weights_epoch_N.pt`` of a folder in order of N."""
    found = [p for p in folder.iterdir() if EPOCH_NAME.fullmatch(p.name)]
    return sorted(found, key=lambda p: epoch_of(p) or 0)


def epoch_of(path: Path) -> int | None:
    """The epoch that a file's name says."""
    match = EPOCH_NAME.fullmatch(path.name)
    return int(match[1]) if match else None


def inside(folder: Path, path: Path) -> Path:
    """``path`` again, if what it leads to lies in ``folder``.

    Files of a Hugging Face snapshot are links into the same repository's ``blobs``; no other link
    may leave the folder.

    Raises:
        UserError: it leads elsewhere, or nowhere.
    """
    home = resolved(folder)
    target = resolved(path)
    if target.is_relative_to(home):
        return path
    repository = home.parent.parent
    cached = home.parent.name == "snapshots" and CACHE_FOLDER.fullmatch(repository.name)
    if cached and target.is_relative_to(repository / "blobs"):
        return path
    raise UserError(
        f"{path} is a link that leaves its folder, and a checkpoint's files must lie in it: what "
        "it leads to may be anything. Put a copy of the file in its place if you trust it."
    )


def there(path: Path) -> bool:
    """Whether a file or link is there, also one that leads nowhere."""
    return path.exists() or path.is_symlink()


def folder_name(folder: Path) -> str:
    """What a checkpoint in a folder is called: the repository, or the run."""
    folder = resolved(folder)
    if folder.parent.name == "snapshots":
        folder = folder.parent.parent
    if folder.name == "checkpoints":
        folder = folder.parent
    cached = CACHE_FOLDER.fullmatch(folder.name)
    return cached["repo"] if cached else folder.name
