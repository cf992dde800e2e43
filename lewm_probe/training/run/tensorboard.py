"""Optional TensorBoard log, beside metrics.jsonl."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lewm_probe.core.errors import UsageError


class TensorBoardLog:
    """Writes each number of a record as a scalar ``split/name``.

    Raises:
        UsageError: the package tensorboard is not installed.
    """

    def __init__(self, folder: Path) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise UsageError(
                "logging.tensorboard needs the package tensorboard. Install it with "
                "`pip install 'lewm-probe[tensorboard]'`, or set logging.tensorboard=false."
            ) from error
        self._writer = SummaryWriter(str(folder / "tensorboard"))

    def log(self, record: Mapping[str, Any]) -> None:
        """One record of ``metrics.jsonl``."""
        for name, value in record.items():
            if name not in ("step", "split"):
                self._writer.add_scalar(f"{record['split']}/{name}", value, record["step"])
        self._writer.flush()
