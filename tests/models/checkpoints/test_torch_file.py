"""What is taken; ``tests/hostile/test_checkpoints.py`` has what is refused."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch

from lewm_probe.models.checkpoints.torch_file import read_torch_file


@pytest.mark.parametrize(
    "content",
    [
        {"a": torch.arange(6).reshape(2, 3).t(), "b": torch.ones(2, dtype=torch.bfloat16)},
        {"a": torch.nn.Parameter(torch.ones(3)), "n": 3, "x": 0.5, "s": "word", "none": None},
        OrderedDict(weight=torch.tensor(2), empty=torch.ones(0, 4)),
        {"shared": torch.ones(4)[1:3], "sizes": torch.Size([1, 2]), "flags": (True, [False])},
        torch.nn.BatchNorm1d(3).state_dict(),  # carries _metadata
    ],
)
def test_tables_of_tensors(tmp_path: Path, content: dict[str, Any]) -> None:
    path = tmp_path / "a.pt"
    torch.save(content, path)
    read = read_torch_file(path)
    assert list(read) == list(content)
    for name, value in content.items():
        if isinstance(value, torch.Tensor):
            assert read[name].dtype == value.dtype
            assert torch.equal(read[name], value)
        else:
            assert read[name] == value


def test_a_training_state(tmp_path: Path) -> None:
    model = torch.nn.Linear(2, 2)
    optimiser = torch.optim.AdamW(model.parameters())
    model(torch.ones(1, 2)).sum().backward()
    optimiser.step()
    path = tmp_path / "last.ckpt"
    torch.save({"state_dict": model.state_dict(), "optimizer": optimiser.state_dict()}, path)
    read = read_torch_file(path)
    assert torch.equal(read["state_dict"]["weight"], model.weight)
