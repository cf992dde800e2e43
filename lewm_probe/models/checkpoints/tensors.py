"""Are these the tensors that a configuration implies? Names, shapes, types, and finite numbers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from lewm_probe.core.errors import UserError


def check_tensors(
    path: Path,
    found: Mapping[str, Tensor],
    expected: Mapping[str, Tensor],
    advice: str,
    *,
    convertible: tuple[torch.dtype, ...] = (),
) -> None:
    """Refuse missing, unexpected and mis-shaped tensors, and those of another type.

    Nothing is copied and no number is read, whatever the tensors claim.

    Args:
        path: the file, for messages.
        found: what the file holds.
        expected: what the configuration implies (on the meta device, say).
        advice: what to do about it.
        convertible: types that are taken where float32 is expected.

    Raises:
        UserError: the first difference, with what was expected.
    """
    missing = sorted(expected.keys() - found.keys())
    extra = sorted(found.keys() - expected.keys())
    if missing or extra:
        parts = [f"{_some(missing)} missing"] if missing else []
        parts += [f"{_some(extra)} not expected"] if extra else []
        raise UserError(
            f"The tensors of {path} are not those of its configuration ({len(expected)} were "
            f"expected): {'; '.join(parts)}. {advice}"
        )
    for name, tensor in found.items():
        want = expected[name]
        fits = tensor.dtype == want.dtype or (
            want.dtype == torch.float32 and tensor.dtype in convertible
        )
        if tensor.shape != want.shape or not fits:
            raise UserError(
                f"The tensor {name} of {path} is {_describe(tensor)}, but its configuration "
                f"expects {_describe(want)}. {advice}"
            )


def check_finite(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Refuse NaN and infinite weights.

    Raises:
        UserError: the first tensor that holds some, with how many.
    """
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            bad = int((~torch.isfinite(tensor)).sum())
            raise UserError(
                f"The tensor {name} of {path} holds {bad} NaN or infinite values of "
                f"{tensor.numel()}: training diverged before this checkpoint. Use an earlier "
                "checkpoint, or train with a lower learning rate."
            )


def _some(names: list[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(name[:100] for name in names[:3]) + more


def _describe(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}"
