"""Our own checkpoints: one safetensors file, float32, everything needed to use it in its header.

Nothing in a file is ever executed or instantiated by name: the header is JSON read into closed
schemas, the tensors must be exactly those the configuration implies.
"""

from __future__ import annotations

import functools
import re
import struct
from pathlib import Path
from typing import Any

import torch
from pydantic import create_model
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from lewm_probe._version import __version__
from lewm_probe.core.config import Config, Count, Name, parse
from lewm_probe.core.errors import UsageError, UserError
from lewm_probe.core.files import atomic_path, regular_file
from lewm_probe.core.strict_json import parse_json
from lewm_probe.data.sampling.action_statistics import ActionStatistics
from lewm_probe.models.checkpoints.assemble import assemble, loaded
from lewm_probe.models.checkpoints.places import CONFIG, folder_name, inside, there
from lewm_probe.models.checkpoints.registry import NATIVE, Choice, Loaded, Located
from lewm_probe.models.family import FAMILIES, Origin
from lewm_probe.models.images import Resize

SCHEMA_VERSION = 1
HEADER_KEY = "lewm_probe"
LARGEST_HEADER = 4 * 1024 * 1024
"""Bytes. A ViT-base model's header is under 100 kB; more is no checkpoint of ours."""

STEP_NAME = re.compile(r"step_(\d+)\.safetensors")


class Header(Config):
    """What the file says about itself, as JSON under the key ``lewm_probe``."""

    schema_version: Count
    written_by: Name
    """Version of lewm-probe."""
    meta: Origin
    config: Any
    """Of the family's ``model_config``."""
    action_mean: tuple[float, ...]
    action_std: tuple[float, ...]

    @property
    def statistics(self) -> ActionStatistics:
        """Of the actions it was trained on."""
        return ActionStatistics(mean=self.action_mean, std=self.action_std)


@functools.cache
def _header(config: type[Config]) -> type[Header]:
    """Headers of one family: closed, with its own configuration."""
    return create_model("Header", __base__=Header, config=(config, ...))


def save_checkpoint(path: Path, model: Any, *, meta: Origin) -> None:
    """Write weights, configuration, action statistics and ``meta``, whole or not at all.

    Raises:
        UserError: the disk is full, or the folder may not be written.
    """
    header = Header(
        schema_version=SCHEMA_VERSION,
        written_by=__version__,
        meta=meta,
        config=model.config,
        action_mean=model.action_statistics.mean,
        action_std=model.action_statistics.std,
    )
    tensors = {name: _plain(tensor) for name, tensor in model.state_dict().items()}
    with atomic_path(Path(path)) as temporary:
        # Not save_file: it reports a full disk as an error of its own, without the number.
        temporary.write_bytes(save(tensors, metadata={HEADER_KEY: header.model_dump_json()}))


def load_checkpoint(
    path: Path, device: torch.device | str = "cpu", *, resize: Resize | None = None
) -> Any:
    """The model in a checkpoint file or run folder: in eval mode, frozen, ``spec`` filled in.

    Call ``requires_grad_(True)`` to train it further.

    Raises:
        UserError: no such file, not whole, not a checkpoint of ours, newer than this version, or
            tensors that are missing, unexpected, of another shape or type, or not finite.
    """
    path = resolve_checkpoint(path)
    header = read_header(path)
    tensors, own = read_safetensors(path), header.statistics
    return assemble(path, header.meta, header.config, own, tensors, resize=resize).to(device)


def read_header(path: Path) -> Header:
    """What a checkpoint file says about itself, without reading its weights.

    Raises:
        UserError: not there, not a checkpoint of ours, or newer than this version.
    """
    path = resolve_checkpoint(path)
    try:
        with open(path, "rb") as raw:
            (length,) = struct.unpack("<Q", raw.read(8).ljust(8, b"\xff"))
    except OSError as error:
        raise UserError(
            f"{path} cannot be read ({error.strerror}). Check the path and its permissions."
        ) from error
    size = path.stat().st_size
    if LARGEST_HEADER < length <= size:
        raise UserError(
            f"{path} announces a header of {length:,} bytes, but a checkpoint's is under "
            f"{LARGEST_HEADER:,}. It was not written by lewm-probe; give a file that was."
        )
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise _unreadable(path) from error
    if HEADER_KEY not in metadata:
        raise UserError(
            f"{path} is a safetensors file, but lewm-probe did not write it: its header has no "
            f"'{HEADER_KEY}'. Give a checkpoint made by `lewm-probe train`."
        )
    return _parse_header(path, metadata[HEADER_KEY])


def is_ours(path: Path) -> bool:
    """Whether a whole safetensors file carries our header; False for others' and broken ones."""
    try:
        with safe_open(path, framework="pt") as file:
            return HEADER_KEY in (file.metadata() or {})
    except (SafetensorError, OSError):
        return False


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """The tensors in a safetensors file, as views of the file.

    Raises:
        UserError: not whole, or of another kind.
    """
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise _unreadable(path) from error


def run_checkpoints(folder: Path) -> list[Path]:
    """The checkpoints a training run kept, in order of step, the untrained one (0) included.

    Raises:
        UserError: no such folder, or no checkpoints in it.
    """
    folder = Path(folder)
    found = {
        int(match[1]): file
        for file in (folder / "checkpoints").glob("step_*.safetensors")
        if (match := STEP_NAME.fullmatch(file.name))
    }
    if not found:
        raise UserError(
            f"There are no checkpoints in {folder / 'checkpoints'} (step_….safetensors were "
            "expected). Give the folder of a training run made by `lewm-probe train`."
        )
    return [found[step] for step in sorted(found)]


def resolve_checkpoint(path: Path) -> Path:
    """A file as it is; a run folder's ``model.safetensors``, else its last checkpoint.

    Raises:
        UserError: nothing there, no ordinary file, or a folder without checkpoints.
    """
    path = Path(path)
    if path.is_dir():
        final = path / "model.safetensors"
        return final if final.is_file() else run_checkpoints(path)[-1]
    if not path.exists():
        raise UserError(
            f"There is no checkpoint at {path}. Give a .safetensors file or the folder of a "
            "training run."
        )
    regular_file(path)
    return path


def _parse_header(path: Path, text: str) -> Header:
    raw = parse_json(text, f"The header of {path}")
    version = raw.get("schema_version") if isinstance(raw, dict) else None
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise UserError(
            f"{path} has checkpoint schema {version}, written by lewm-probe "
            f"{raw.get('written_by', 'of a later version')}; this is lewm-probe "
            f"{__version__}, which reads up to {SCHEMA_VERSION}. Install a newer "
            "lewm-probe."
        )
    meta = raw.get("meta") if isinstance(raw, dict) else None
    family = str(meta.get("family")) if isinstance(meta, dict) else "lewm"
    if family not in FAMILIES:  # looked up, never imported by what a file says
        raise UserError(
            f"{path} is a checkpoint of the family {family[:100]!r}, which is not known here "
            f"(known: {', '.join(FAMILIES.names())}). Install the package that brings it along."
        )
    try:
        return parse(raw, _header(FAMILIES.get(family).model_config), f"The header of {path}")
    except UsageError as error:
        raise UserError(str(error)) from error


def _unreadable(path: Path) -> UserError:
    return UserError(
        f"{path} is not a whole safetensors file: it is of another kind, or was cut short "
        f"({path.stat().st_size:,} bytes are there). Copy it again, or give a checkpoint made by "
        "`lewm-probe train`."
    )


def _plain(tensor: Tensor) -> Tensor:
    tensor = tensor.detach().cpu()
    return (tensor.float() if tensor.is_floating_point() else tensor).contiguous()


class NativeFormat:
    """Our run folders and ``.safetensors`` files."""

    def locate(self, path: Path, name: str | None, hint: str) -> Located | None:
        """A run's folder or file; a ``.safetensors`` without configuration can only be ours."""
        if path.is_dir():
            return self._in_run(path, name or folder_name(path))
        foreign = there(path.parent / CONFIG) and not is_ours(path)
        if path.suffix != ".safetensors" or foreign:
            return None
        run = path.parent.parent if path.parent.name == "checkpoints" else path.parent
        return Located(path, NATIVE, None, None, (), name or folder_name(path.parent), run)

    def _in_run(self, folder: Path, name: str) -> Located | None:
        kept = folder / "checkpoints"
        steps = kept.is_dir() and any(kept.glob("step_*.safetensors"))
        final = folder / "model.safetensors"
        if not steps and not (there(final) and not there(folder / CONFIG)):
            return None
        found = run_checkpoints(folder) if steps else []
        for path in (*found, *([final] if there(final) else [])):
            regular_file(inside(folder, path))
        weights = final if final.is_file() else found[-1]
        return Located(weights, NATIVE, None, None, tuple(found), name, folder)

    def read(self, located: Located, choice: Choice, *, need_statistics: bool) -> Loaded:
        """Header and tensors; it carries its statistics."""
        header = read_header(located.weights)
        tensors, said = read_safetensors(located.weights), header.model_dump(mode="json")
        own, config = header.statistics, header.config
        return loaded(located, choice, header.meta, config, own, tensors, header=said)

    def origin(self, located: Located) -> Origin:
        """As the header says."""
        return read_header(located.weights).meta


FORMAT = NativeFormat()
