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
from dataclasses import replace
from pathlib import Path

from lewm_probe.core.errors import NotThere, UserError
from lewm_probe.core.files import NOTHING, kind_of, regular_file
from lewm_probe.models.checkpoints.hub import resolve_name
from lewm_probe.models.checkpoints.places import CONFIG, EXPECTED, SUFFIXES, folder_name, inside
from lewm_probe.models.checkpoints.registry import Located, formats


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
    if kind_of(place) == NOTHING:
        near = _nearest(place)
        did = f" Did you mean {near}?" if near else ""
        raise NotThere(f"There is no checkpoint at {place}{hint}.{did} {EXPECTED}")
    if not place.is_dir():
        regular_file(place)
        return replace(_of_some_format(place, None, hint), shown=meant.shown)
    name = meant.name or folder_name(place)
    if (place / "snapshots").is_dir() and not (place / CONFIG).exists():
        place_of_files = _snapshot(place)
    else:
        place_of_files = place
    located = _of_some_format(place_of_files, name, hint)
    if meant.shown is None:
        return located
    return replace(located, shown=f"{meant.shown}/{located.weights.relative_to(place).as_posix()}")


def _of_some_format(path: Path, name: str | None, hint: str) -> Located:
    for of in formats():
        found = of.locate(path, name, hint)
        if found is not None:
            return found
    raise UserError(f"{path}{hint} is no checkpoint. {EXPECTED}")


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


def _nearest(path: Path) -> Path | None:
    parent = path.parent
    if not parent.is_dir():
        return None
    known = [p.name for p in parent.iterdir() if p.is_dir() or p.suffix in SUFFIXES]
    near = difflib.get_close_matches(path.name, known, n=1)
    return parent / near[0] if near else None
