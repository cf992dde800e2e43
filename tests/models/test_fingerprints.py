from __future__ import annotations

import copy
import functools
import threading
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import nn

from lewm_probe.models.fingerprints import fingerprint_of


class Net(nn.Module):
    def __init__(self, scale: float = 1.0) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.Linear(3, 2)
        self.memory = nn.GRU(2, 2)
        self.attention = nn.TransformerEncoderLayer(2, 1, 4)
        self.norm = nn.BatchNorm1d(2)
        self.register_buffer("mean", torch.zeros(2), persistent=False)
        self.scale = scale
        self.settings = {"size": (3, 2), "half": np.float32(0.5)}


@dataclass
class Settings:
    depth: int = 2


class Holder:
    """No module itself, but holds one."""

    def __init__(self) -> None:
        self.net, self.settings = Net(), Settings()
        self.table = np.arange(4.0)
        self.me = self  # a circle ends


@pytest.mark.parametrize("kind", [Net, Holder])
def test_equal_content_has_equal_fingerprints(kind: type) -> None:
    one, other = kind(), kind()
    assert fingerprint_of(one) == fingerprint_of(other)
    assert len(fingerprint_of(one)) == 32
    assert fingerprint_of(copy.deepcopy(one)) == fingerprint_of(one)


def weight(net: Net) -> None:
    with torch.no_grad():
        net.layer.weight[0, 0] += 1e-3


def behind_the_counter(net: Net) -> None:
    net.layer.weight.data.mul_(1.01)


def replaced(net: Net) -> None:
    net.layer.weight = nn.Parameter(net.layer.weight.detach() + 1)


def reloaded(net: Net) -> None:
    state = {name: value + 1 for name, value in net.state_dict().items()}
    net.load_state_dict(state, assign=True)


def not_in_the_state_dict(net: Net) -> None:
    net.mean += 1


def a_number(net: Net) -> None:
    net.scale = 2.0


def within_a_container(net: Net) -> None:
    net.settings["size"] = (3, 3)


def of_a_torch_module(net: Net) -> None:
    net.norm.eps = 1e-3


@pytest.mark.parametrize(
    "change",
    [
        weight,
        behind_the_counter,
        replaced,
        reloaded,
        not_in_the_state_dict,
        a_number,
        within_a_container,
        of_a_torch_module,
    ],
)
def test_it_follows_all_that_numbers_depend_on(change) -> None:
    net, holder = Net(), Holder()
    before = fingerprint_of(net), fingerprint_of(holder)
    assert (fingerprint_of(net), fingerprint_of(holder)) == before
    change(net)
    change(holder.net)
    assert fingerprint_of(net) != before[0]
    assert fingerprint_of(holder) != before[1]


def test_it_follows_arrays_and_settings() -> None:
    holder = Holder()
    seen = {fingerprint_of(holder)}
    holder.table[0] = 9
    seen.add(fingerprint_of(holder))
    holder.settings.depth = 3
    seen.add(fingerprint_of(holder))
    assert len(seen) == 3


def test_it_does_not_follow_mode_or_use() -> None:
    net = Net().train()
    before = fingerprint_of(net)
    net.eval().requires_grad_(False)
    net.layer(torch.zeros(1, 3))
    net.memory(torch.zeros(1, 1, 2))
    assert fingerprint_of(net) == before
    assert fingerprint_of(net.double()) != before


@pytest.mark.parametrize(
    "opaque",
    [threading.Lock(), np.random.default_rng(0), lambda x: x, functools.partial(print, {1, (2,)})],
)
def test_what_cannot_be_looked_into_makes_it_unique(opaque: object) -> None:
    one, other = Net(), Net()
    one.held = other.held = opaque  # type: ignore[assignment]
    assert fingerprint_of(one) == fingerprint_of(one)
    assert fingerprint_of(one) != fingerprint_of(other)
    before = fingerprint_of(one)
    weight(one)
    assert fingerprint_of(one) != before


def test_a_copy_of_an_opaque_instance_is_another() -> None:
    one = Net()
    one.held = lambda x: x  # type: ignore[assignment]
    before = fingerprint_of(one)
    assert fingerprint_of(copy.deepcopy(one)) != before


def test_functions_go_by_their_names() -> None:
    one, other, third = Net(), Net(), Net()
    one.activation = other.activation = torch.nn.functional.relu  # type: ignore[assignment]
    third.activation = torch.nn.functional.gelu  # type: ignore[assignment]
    assert fingerprint_of(one) == fingerprint_of(other) != fingerprint_of(third)


def test_slots_hide_content() -> None:
    class Slotted:
        __slots__ = ("__dict__", "hidden")

    one, other = Net(), Net()
    one.held, other.held = Slotted(), Slotted()  # type: ignore[assignment]
    assert fingerprint_of(one) != fingerprint_of(other)


def test_half_precision_can_be_hashed() -> None:
    assert fingerprint_of(Net().bfloat16()) != fingerprint_of(Net().half())
