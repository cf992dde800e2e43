"""Small folders at an address, such as checkpoints, brought to this machine once."""

from __future__ import annotations

import os
from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path

from lewm_probe.core.addresses.address import Address, Stored, reaching, stored
from lewm_probe.core.errors import NotThere, UserError
from lewm_probe.core.files import atomic_path, content_hash


def home() -> Path:
    """Where fetched files are kept: ``$XDG_CACHE_HOME/lewm-probe/fetched``."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "lewm-probe" / "fetched"


def fetched(address: Address, names: Sequence[str], beside: Sequence[str]) -> Path:
    """A copy of what is at an address; made again only where something there has changed.

    Args:
        address: of a folder or a file.
        names: patterns of the files of a folder, at any depth, that are wanted.
        beside: patterns of those that are wanted with a file, from its folder.

    Returns:
        The folder or file on this machine, called as it is there.

    Raises:
        UserError: the address cannot be reached, a name in it leads elsewhere, or the copy cannot
            be written.
        NotThere: nothing is there.
    """
    if address.is_file():
        folder = address.parent
        patterns = [address.name, *beside]
        found = [file for file in stored(folder) if file.path.parent == folder]
    else:
        folder, patterns = address, [*names]
        found = stored(folder)
    wanted = [f for f in found if any(fnmatch(f.path.name, pattern) for pattern in patterns)]
    if not wanted:
        what = "none of its files are a checkpoint's" if found else "nothing is there"
        raise NotThere(f"There is no checkpoint at {address}: {what}. Check the address.")
    version = content_hash(str(folder), *((str(f.path), f.version) for f in wanted))
    copy = home() / version / folder.name
    for file in wanted:
        _copy(file, copy / _inside(file, folder))
    return copy if folder == address else copy / address.name


def _inside(file: Stored, folder: Path) -> Path:
    relative = Path(*file.path.parts[len(folder.parts) :])
    if ".." in relative.parts:
        raise UserError(
            f"{folder} holds a file named {relative}, which would be written elsewhere. Fetch what "
            "you need of it by other means."
        )
    return relative


def _copy(file: Stored, target: Path) -> None:
    if target.exists():
        return
    assert isinstance(file.path, Address)
    with (
        atomic_path(target, "XDG_CACHE_HOME") as temporary,
        reaching(file.path) as (store, path),
    ):
        store.get_file(path, str(temporary))
