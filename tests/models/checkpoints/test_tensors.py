from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from lewm_probe.core.errors import UserError
from lewm_probe.models.checkpoints.tensors import check_finite, check_tensors

PATH = Path("a.pt")
WANTED = {"w": torch.empty(2, 3, device="meta"), "n": torch.empty((), dtype=torch.int64)}


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (
            {"w": torch.ones(2, 3)},
            "The tensors of a.pt are not those of its configuration (2 were expected): n missing. "
            "Do this.",
        ),
        (
            {"n": torch.tensor(1), **{f"x{i}": torch.ones(1) for i in range(5)}},
            "The tensors of a.pt are not those of its configuration (2 were expected): w missing; "
            "x0, x1, x2 and 2 more not expected. Do this.",
        ),
        (
            {"w": torch.ones(3, 2), "n": torch.tensor(1)},
            "The tensor w of a.pt is float32 (3, 2), but its configuration expects float32 (2, 3). "
            "Do this.",
        ),
        (
            {"w": torch.ones(2, 3).double(), "n": torch.tensor(1)},
            "The tensor w of a.pt is float64 (2, 3), but its configuration expects float32 (2, 3). "
            "Do this.",
        ),
        (
            {"w": torch.ones(2, 3), "n": torch.tensor(1).half()},
            "The tensor n of a.pt is float16 (), but its configuration expects int64 (). Do this.",
        ),
    ],
)
def test_the_first_difference_is_named(found: dict[str, Tensor], message: str) -> None:
    with pytest.raises(UserError) as caught:
        check_tensors(PATH, found, WANTED, "Do this.", convertible=(torch.float16,))
    assert str(caught.value) == message


def test_half_precision_where_it_is_taken() -> None:
    found = {"w": torch.ones(2, 3).half(), "n": torch.tensor(1)}
    check_tensors(PATH, found, WANTED, "Do this.", convertible=(torch.float16,))
    with pytest.raises(UserError):
        check_tensors(PATH, found, WANTED, "Do this.")


def test_whole_numbers_are_finite() -> None:
    check_finite(PATH, {"n": torch.tensor(1), "w": torch.ones(2)})
    with pytest.raises(UserError, match=r"The tensor w of a.pt holds 1 NaN or infinite values"):
        check_finite(PATH, {"w": torch.tensor([1.0, torch.inf])})
