"""What a plan says; ``tests/hostile/test_checkpoints.py`` has what it refuses."""

from __future__ import annotations

import zipfile
from pathlib import Path

import torch

from lewm_probe.models.checkpoints.pickle_scan import Claim, Plan, Storage, named_claims, read_plan


def plan_of(content: object, path: Path) -> Plan:
    torch.save(content, path)
    with zipfile.ZipFile(path) as archive:
        return read_plan(archive.read(f"{path.stem}/data.pkl"), path)


def test_a_claim_is_what_torch_says_of_the_tensor(tmp_path: Path) -> None:
    tensor = torch.arange(24, dtype=torch.float64).reshape(4, 6).t()[1:4, 2:]
    plan = plan_of({"x": tensor}, tmp_path / "a.pt")
    assert plan.value == {
        "x": Claim(
            Storage("0", "float64", 8, 24),
            tensor.storage_offset(),
            tuple(tensor.shape),
            tensor.stride(),
        )
    }
    ((_, claim),) = named_claims(plan)
    assert claim.numel == tensor.numel()
    last = tensor.storage_offset() + 2 * tensor.stride(0) + 1 * tensor.stride(1)
    assert claim.reach == last + 1


def test_every_tensor_is_found_once_with_its_place(tmp_path: Path) -> None:
    ones, twos = torch.ones(2), torch.ones(3)
    inner = [twos, {"deep": (torch.ones(4),)}]
    plan = plan_of({"a": {"b": ones}, "list": inner, "again": inner}, tmp_path / "a.pt")
    places = {claim.numel: name for name, claim in named_claims(plan)}
    assert sorted(places) == [2, 3, 4]
    assert places[2] == "a.b"
    assert {places[3], places[4]} in (
        {"again.0", "again.1.deep.0"},
        {"list.0", "list.1.deep.0"},
    )
    assert [s.numel for s in plan.storages] == [2, 3, 4]
