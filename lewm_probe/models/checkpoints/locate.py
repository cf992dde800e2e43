"""From what a user types to the files of a checkpoint, whoever wrote it.

Taken are: our run folders and ``.safetensors`` files; a folder with ``config.json`` and
``weights.pt`` or ``weights_epoch_N.pt``; one such file, or a Lightning ``.ckpt``, with
``config.json`` beside it; a folder of the Hugging Face cache (``models--USER--REPO``);
``hf://user/repo[@revision]``; and names in a stable-worldmodel home (``hub``).

Nothing that stands *in* a file is ever followed as a path, and a link in a folder may not lead out
of it: a checkpoint is what lies in its folder.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lewm_probe.core.errors import NotThere, UserError
from lewm_probe.core.files import regular_file
from lewm_probe.models.checkpoints.hub import resolve_name
from lewm_probe.models.checkpoints.native import is_ours, run_checkpoints
from lewm_probe.models.checkpoints.torch_file import pickled_module

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


@dataclass(frozen=True)
class Located:
    """The files of one checkpoint.

    Attributes:
        weights: file of its tensors.
        ours: whether lewm-probe wrote it as a file of its own, with everything in its header.
        config: ``config.json`` beside it (released shape only).
        sidecar: our ``lewm_probe.json`` beside it, if there.
        run_checkpoints: of the same run in order of training, ``weights`` among them where it is
            one of them.
        name: how to call it: the repository, or the folder.
        run: folder that may hold training curves.
        shown: how results name the file where it is no path that the user typed, such as
            ``hf://user/repo@commit/weights.pt``.
    """

    weights: Path
    ours: bool
    config: Path | None
    sidecar: Path | None
    run_checkpoints: tuple[Path, ...]
    name: str
    run: Path | None
    shown: str | None = None

    @property
    def kind(self) -> str:
        """For people: who wrote it, and as what."""
        if self.ours:
            return "lewm-probe checkpoint"
        kinds = {".ckpt": "Lightning checkpoint", ".safetensors": "safetensors"}
        return f"released shape ({kinds.get(self.weights.suffix, 'PyTorch weights')})"

    @property
    def epoch(self) -> int | None:
        """Epoch in the file's name (``weights_epoch_N.pt``)."""
        return epoch_of(self.weights)


def locate(path: Path | str, hint: str = "") -> Located:
    """Find the files that ``path`` means; see the module.

    Args:
        path: what the user typed.
        hint: words after the path in the message when nothing is there.

    Raises:
        UserError: nothing there, no checkpoint in a folder, several to choose from, a link that
            leaves its folder, or a repository that cannot be had.
    """
    meant = resolve_name(path)
    place = meant.path
    if not place.exists():
        near = _nearest(place)
        did = f" Did you mean {near}?" if near else ""
        raise NotThere(f"There is no checkpoint at {place}{hint}.{did} {EXPECTED}")
    if not place.is_dir():
        regular_file(place)
        return replace(_file(place, _folder_name(place.parent)), shown=meant.shown)
    located = _in_folder(place, meant.name, hint)
    if meant.shown is None:
        return located
    return replace(located, shown=f"{meant.shown}/{located.weights.relative_to(place).as_posix()}")


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
    home = folder.resolve()
    target = path.resolve()
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


def _in_folder(folder: Path, name: str | None, hint: str) -> Located:
    name = name or _folder_name(folder)
    if (folder / "snapshots").is_dir() and not (folder / CONFIG).exists():
        return _in_folder(_snapshot(folder), name, hint)
    steps = (folder / "checkpoints").is_dir() and any(
        (folder / "checkpoints").glob("step_*.safetensors")
    )
    final = folder / "model.safetensors"
    if steps or (final.is_file() and not (folder / CONFIG).exists()):
        found = run_checkpoints(folder) if steps else []
        for path in (*found, *([final] if final.exists() else [])):
            regular_file(inside(folder, path))
        weights = final if final.is_file() else found[-1]
        return Located(weights, True, None, None, tuple(found), name, folder)
    epochs = [inside(folder, path) for path in earlier_epochs(folder)]
    weights = _choose(folder, epochs, hint)
    return _file(inside(folder, weights), name, tuple(epochs))


def _file(weights: Path, name: str, found: tuple[Path, ...] = ()) -> Located:
    folder = weights.parent
    if weights.name.endswith("_object.ckpt"):
        raise pickled_module(weights)
    if weights.suffix not in SUFFIXES:
        raise UserError(
            f"{weights} is of no kind that checkpoints have ({', '.join(SUFFIXES)}). {EXPECTED}"
        )
    config, sidecar = folder / CONFIG, folder / SIDECAR
    # Without a configuration a broken or foreign file can only be one of ours, and is told so.
    if weights.suffix == ".safetensors" and (is_ours(weights) or not _there(config)):
        run = folder.parent if folder.name == "checkpoints" else folder
        return Located(weights, True, None, None, (), name, run)
    if not _there(config):
        raise UserError(
            f"{weights} has no {CONFIG} beside it. Weights alone do not tell the model's heads, "
            "dropout or image size, and guesses would pass unnoticed. Put the run's config.json "
            "into the same folder."
        )
    return Located(
        weights,
        False,
        inside(folder, config),
        inside(folder, sidecar) if _there(sidecar) else None,
        found,
        name,
        None,
    )


def _choose(folder: Path, epochs: Sequence[Path], hint: str) -> Path:
    plain = folder / "weights.pt"
    if _there(plain):
        return plain
    if epochs:
        return epochs[-1]
    found = sorted(p for p in folder.iterdir() if p.suffix in SUFFIXES)
    objects = [p for p in found if p.name.endswith("_object.ckpt")]
    others = [p for p in found if p not in objects]
    lightning = [p for p in others if p.name.endswith("_weights.ckpt")]
    for candidates in ([p for p in others if p.suffix == ".pt"], lightning, others):
        if len(candidates) == 1:
            return candidates[0]
    if others:
        names = ", ".join(p.name for p in others[:6])
        raise UserError(
            f"The folder {folder}{hint} holds several checkpoints ({names}), and none is called "
            "weights.pt or weights_epoch_N.pt. Name the file."
        )
    if objects:
        raise pickled_module(objects[-1])
    raise UserError(
        f"The folder {folder}{hint} holds no checkpoint: neither model.safetensors nor "
        "checkpoints/step_*.safetensors, nor weights.pt, weights_epoch_N.pt or another .pt or "
        f".ckpt file. {EXPECTED}"
    )


def _snapshot(repository: Path) -> Path:
    """The snapshot that ``refs/main`` of a cached repository names, else the only one."""
    snapshots = repository / "snapshots"
    found = sorted(p for p in snapshots.iterdir() if p.is_dir())
    main = repository / "refs" / "main"
    if main.is_file():
        commit = main.read_bytes()[:64].decode("ascii", errors="replace").strip()
        # Compared with what is there, never joined to a path.
        chosen = [p for p in found if p.name == commit]
    else:
        chosen = found if len(found) == 1 else []
    if not chosen:
        names = ", ".join(p.name for p in found[:4]) or "none"
        raise UserError(
            f"The cached repository {repository} does not say which of its snapshots is current "
            f"(there: {names}). Give the path of one of them, or fetch it again."
        )
    return inside(repository, chosen[0])


def _there(path: Path) -> bool:
    return path.exists() or path.is_symlink()


def _folder_name(folder: Path) -> str:
    folder = folder.resolve()
    if folder.parent.name == "snapshots":
        folder = folder.parent.parent
    if folder.name == "checkpoints":
        folder = folder.parent
    cached = CACHE_FOLDER.fullmatch(folder.name)
    return cached["repo"] if cached else folder.name


def _nearest(path: Path) -> Path | None:
    parent = path.parent
    if not parent.is_dir():
        return None
    known = [p.name for p in parent.iterdir() if p.is_dir() or p.suffix in SUFFIXES]
    near = difflib.get_close_matches(path.name, known, n=1)
    return parent / near[0] if near else None
