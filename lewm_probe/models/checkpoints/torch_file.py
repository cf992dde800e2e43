"""Tensors from an untrusted PyTorch file: looked through first, then read with ``weights_only``.

Two walls. The first reads the archive's directory and its pickle without running either
(``pickle_scan``) and compares every size they claim with the bytes that are
there. The second is PyTorch's own restricted reader, on files that passed the first.
"""

from __future__ import annotations

import pickle
import struct
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from lewm_probe.core.errors import UserError
from lewm_probe.core.files import regular_file
from lewm_probe.models.checkpoints.pickle_scan import (
    Claim,
    Damaged,
    Plan,
    how_to_convert,
    named_claims,
    read_plan,
)

MOST_ENTRIES = 20_000
"""A released checkpoint's archive has about 310 entries, a training state four times as many."""

MOST_SHARING = 4
"""Times that tensors may show the same bytes: weights under two names, and again averaged, at most.
The bound keeps copies of what a file shows within a small multiple of what it holds."""

LARGEST_PICKLE = 32 * 1024 * 1024
"""Bytes of ``data.pkl``; 303 tensors need 60 kB."""

ZIP_MAGIC = b"PK\x03\x04"
"""First bytes of every archive that torch.save writes."""

_PYTORCH_SAYS = (
    RuntimeError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    AssertionError,
    pickle.UnpicklingError,
    struct.error,
)
"""What PyTorch's and Python's readers raise at damaged files."""


def read_torch_file(path: Path) -> dict[Any, Any]:
    """The dictionary in a ``.pt`` or ``.ckpt`` file, tensors on the CPU.

    Raises:
        UserError: not there, not a regular file, not a whole archive of torch.save, claiming sizes
            that are not there, holding other than dense real tensors, no dictionary, or a pickle
            that would run code, as those of whole modules (``*_object.ckpt``) do.
    """
    path = Path(path)
    regular_file(path)
    with _readable(path), open(path, "rb") as raw:
        if raw.read(4) != ZIP_MAGIC:
            raise _not_an_archive(path)
    with _readable(path), zipfile.ZipFile(path) as archive:
        plan = _checked_plan(path, archive)
    if not isinstance(plan, dict):
        kind = "tensor" if isinstance(plan, Claim) else type(plan).__name__
        raise UserError(
            f"{path} holds a {kind}, but a checkpoint is a table of tensors by "
            "name. Save the model's state dict: torch.save(model.state_dict(), 'weights.pt')."
        )
    with _readable(path):
        # Mapped, so that an optimiser's state beside the weights is never read.
        loaded = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    if not isinstance(loaded, dict):
        raise _damaged(path, "its reader found no dictionary")
    return loaded


def pickled_module(path: Path) -> UserError:
    """The refusal of a file that holds a whole pickled module, with the reason and the way out."""
    return UserError(
        f"{path} is a pickled module (*_object.ckpt): to read it is to run code from the file, "
        "which lewm-probe never does, and it needs the very classes it was saved with. "
        f"{how_to_convert(path)}"
    )


def _checked_plan(path: Path, archive: zipfile.ZipFile) -> Any:
    entries = archive.infolist()
    size = path.stat().st_size
    if len(entries) > MOST_ENTRIES:
        raise UserError(
            f"{path} is an archive of {len(entries):,} entries, but a checkpoint has under "
            f"{MOST_ENTRIES:,}. It is no checkpoint; give another file."
        )
    names = set()
    for entry in entries:
        name = entry.filename
        if name.startswith(("/", "\\")) or ".." in name.replace("\\", "/").split("/"):
            raise UserError(
                f"{path} is an archive with an entry that leaves it ('{_short(name)}'). "
                "torch.save writes no such thing; do not trust this file."
            )
        if name.casefold() in names:
            raise UserError(
                f"{path} is an archive with two entries of the name '{_short(name)}', so that two "
                "readers could see two different files. torch.save writes no such thing; do not "
                "trust this file."
            )
        names.add(name.casefold())
        packed = entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size
        if packed:
            raise UserError(
                f"{path} is an archive whose entry '{_short(name)}' claims {entry.file_size:,} "
                f"bytes packed into {entry.compress_size:,}, but torch.save does not compress. It "
                "may unpack to far more than it seems; give the file as torch.save wrote it."
            )
    total = sum(entry.file_size for entry in entries)
    if total > size:
        raise UserError(
            f"{path} is an archive whose entries claim {total:,} bytes, but the file has {size:,}. "
            "It is damaged or made to deceive; fetch it again."
        )
    roots = {entry.filename.split("/", 1)[0] for entry in entries}
    (root,) = roots if len(roots) == 1 else ("",)
    by_name = {entry.filename: entry for entry in entries}
    pickled = by_name.get(f"{root}/data.pkl")
    if pickled is None:
        raise UserError(
            f"{path} is a zip archive, but not one of torch.save: it has no data.pkl. Give a "
            "checkpoint's .pt or .ckpt file."
        )
    if pickled.file_size > LARGEST_PICKLE:
        raise UserError(
            f"{path} describes its tensors in {pickled.file_size:,} bytes, but a checkpoint needs "
            f"under {LARGEST_PICKLE:,}. It is no checkpoint; give another file."
        )
    plan = read_plan(archive.read(pickled), path)
    sizes = {storage.key: by_name.get(f"{root}/data/{storage.key}") for storage in plan.storages}
    _check_claims(path, plan, {key: e.file_size for key, e in sizes.items() if e is not None})
    return plan.value


def _check_claims(path: Path, plan: Plan, there: dict[str, int]) -> None:
    """Compare what a pickle claims with the bytes of each storage that are ``there``."""
    names: dict[str, str] = {}
    for name, claim in named_claims(plan):
        names.setdefault(claim.storage.key, name)
    for storage in plan.storages:
        name = names.get(storage.key, f"number {storage.key}")
        if storage.key not in there:
            raise _damaged(path, f"the bytes of {_short(name)} are missing")
        claimed = storage.numel * storage.itemsize
        if claimed != there[storage.key]:
            raise UserError(
                f"The tensor {_short(name)} of {path} claims a storage of {claimed:,} bytes, but "
                f"{there[storage.key]:,} are there. The file is damaged or made to deceive; fetch "
                "it again."
            )
    for name, claim in named_claims(plan):
        room = claim.storage.numel
        if claim.reach > room or claim.numel > room - claim.offset:
            raise UserError(
                f"The tensor {_short(name)} of {path} claims {claim.numel:,} numbers in a storage "
                f"of {room:,}. The file is damaged or made to deceive, or an expanded view was "
                "saved; save contiguous tensors."
            )
    shown = sum(claim.numel * claim.storage.itemsize for claim in plan.claims)
    size = path.stat().st_size
    if shown > MOST_SHARING * size:
        raise UserError(
            f"The tensors of {path} together claim {shown:,} bytes, but the file has {size:,}: "
            "they are views of the same few numbers. It is made to deceive; fetch the original."
        )


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except Damaged as error:
        raise _damaged(path, str(error)) from error
    except (zipfile.BadZipFile, NotImplementedError, EOFError) as error:
        raise _damaged(path, str(error) or "it ends too soon") from error
    except OSError as error:
        raise UserError(
            f"{path} cannot be read ({error.strerror}). Check the path and its permissions."
        ) from error
    except _PYTORCH_SAYS as error:
        raise _damaged(
            path, f"PyTorch says: {(str(error) or type(error).__name__).splitlines()[0]}"
        ) from error


def _not_an_archive(path: Path) -> UserError:
    return UserError(
        f"{path} is no zip archive, as torch.save has written them since PyTorch 1.6: it is of "
        "another kind, empty, cut short, or of the old format, which is a bare pickle and is not "
        "read here. Where the file is trusted, write it anew: "
        f"torch.save(torch.load('{path.name}', weights_only=True), 'weights.pt')."
    )


def _damaged(path: Path, why: str) -> UserError:
    size = path.stat().st_size
    return UserError(
        f"{path} is not a whole checkpoint of torch.save: {_short(why, 160)} ({size:,} bytes are "
        "there). Copy or download it again."
    )


def _short(text: str, most: int = 80) -> str:
    cleaned = "".join(c if c.isprintable() else "?" for c in text)
    return cleaned if len(cleaned) <= most else cleaned[: most - 3] + "..."
