"""Shapes of checkpoints on disk: found, read and written, without running anything in them.

Another package adds one by an entry point of the group ``lewm_probe.checkpoint_formats``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from lewm_probe.core.config import Config
from lewm_probe.core.errors import UserError
from lewm_probe.core.registry import Registry
from lewm_probe.data.sampling.action_statistics import ActionStatistics
from lewm_probe.models.base import ModelSpec
from lewm_probe.models.family import Origin
from lewm_probe.models.images import Resize

NATIVE, SWM = "native", "swm"
"""What is built in: our own files, and the released shapes."""


@dataclass(frozen=True)
class Located:
    """The files of one checkpoint.

    Attributes:
        weights: file of its tensors.
        format: name of the checkpoint format.
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
    format: str
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
        if self.format != SWM:
            return f"{self.format} checkpoint"
        kinds = {".ckpt": "Lightning checkpoint", ".safetensors": "safetensors"}
        return f"released shape ({kinds.get(self.weights.suffix, 'PyTorch weights')})"

    @property
    def ours(self) -> bool:
        """Whether lewm-probe wrote it as a file of its own, with everything in its header."""
        return self.format == NATIVE


@dataclass(frozen=True)
class Choice:
    """What holds for one checkpoint.

    Attributes:
        action_stats: statistics, a JSON file of them, or ``identity``.
        dataset: data set, of any kind, to take them from.
        family: ``lewm`` or ``pldm``.
        resize: filter for images of another size.
        insist: the statistics are meant for this checkpoint, so that others of its own are an
            error; else they are for checkpoints that lack theirs.
        insist_family: the same of the family.
    """

    action_stats: ActionStatistics | Path | str | None = None
    dataset: Path | str | None = None
    family: str | None = None
    resize: Resize | None = None
    insist: bool = True
    insist_family: bool = True

    def check_family(self, path: Path, says: str) -> None:
        """Refuse a checkpoint of another family than the one that was asked for.

        Raises:
            UserError: ``--family`` contradicts what the checkpoint says.
        """
        if self.insist_family and self.family not in (None, says):
            raise UserError(
                f"{path} is a checkpoint of the family {says}, as its configuration says, but "
                f"--family says {self.family}. Leave out --family, or give another checkpoint."
            )


@dataclass(frozen=True)
class Loaded:
    """A checkpoint, read and checked.

    Attributes:
        located: its files.
        meta: where it comes from, as far as it says.
        model: in eval mode, frozen; None where action statistics are missing.
        spec: the model's; without statistics the action block counts as one step.
        sizes: the model's configuration.
        facts: what else its format says of it, for people and for ``inspect --json``.
        own: the action statistics it carries itself.
        parts: parameters of each part of the model.
        tensors: how many tensors the model has.
    """

    located: Located
    meta: Origin
    model: Any | None
    spec: ModelSpec
    sizes: Config
    facts: Mapping[str, Any] = field(default_factory=dict)
    own: ActionStatistics | None = None
    parts: dict[str, int] = field(default_factory=dict)
    tensors: int = 0

    @classmethod
    def of(
        cls,
        located: Located,
        meta: Origin,
        model: Any,
        own: ActionStatistics | None,
        facts: Mapping[str, Any],
    ) -> Loaded:
        """With all that a model of some family says of itself."""
        parts = {
            name: sum(p.numel() for p in part.parameters()) for name, part in model.named_children()
        }
        parts = {name: count for name, count in parts.items() if count}
        tensors = len(model.state_dict())
        return cls(located, meta, model, model.spec, model.config, facts, own, parts, tensors)


@runtime_checkable
class CheckpointFormat(Protocol):
    """One shape on disk; nothing in a file is run or imported."""

    def locate(self, path: Path, name: str | None, hint: str) -> Located | None:
        """The files of a checkpoint, and its run's earlier ones; None: not of this shape.

        Args:
            path: a file or folder that is there.
            name: how to call it, where it is known from elsewhere.
            hint: words after the path in messages.

        Raises:
            UserError: it looks like one of this shape, and something is wrong with it.
        """

    def read(self, located: Located, choice: Choice, *, need_statistics: bool) -> Loaded:
        """Family, configuration, tensors and statistics, all checked before a model is made.

        Raises:
            UserError: not readable, not safe, or not what it claims; missing action statistics only
                where they are needed.
        """

    def origin(self, located: Located) -> Origin:
        """Where it comes from, without reading its weights."""


CHECKPOINT_FORMATS: Registry[CheckpointFormat] = Registry(
    "lewm_probe.checkpoint_formats",
    CheckpointFormat,
    {
        NATIVE: "lewm_probe.models.checkpoints.native:FORMAT",
        SWM: "lewm_probe.models.checkpoints.swm.format:FORMAT",
    },
    what="checkpoint format",
)
"""Formats by name."""


def formats() -> list[CheckpointFormat]:
    """All of them in the order in which they are asked: other packages', then ours."""
    others = [name for name in CHECKPOINT_FORMATS.names() if name not in (NATIVE, SWM)]
    return [CHECKPOINT_FORMATS.get(name) for name in (*others, NATIVE, SWM)]
