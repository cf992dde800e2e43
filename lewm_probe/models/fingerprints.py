"""A fingerprint for anybody's model: a hash of all that its numbers can depend on, or a token.

Stored latents are found by it, so what it does not see must not matter. It follows the model's
attributes down to tensors, arrays and plain values, through modules, containers and objects of any
class (by its name; its source is hashed beside it by the cache). Where something cannot be looked
into, such as a random generator or a handle of a library, the fingerprint is unique to the
instance: nothing is reused wrongly, and nothing is shared between two runs either.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import secrets
import types
from collections.abc import Iterable, Sequence
from pathlib import PurePath

import numpy as np
import torch
from pydantic import BaseModel
from torch import Tensor, nn

from lewm_probe.core.files import content_hash

PLAIN = (bool, int, float, complex, str, bytes, type(None), PurePath, torch.dtype)
"""Values that are what they look like."""

_KEPT = "_fingerprint_kept"
"""The attribute under which a model keeps what was found out; not a part of what is hashed."""

_MODULE_ATTRIBUTES = frozenset(vars(nn.Module())) - {"_parameters", "_buffers", "_modules"}
"""Hooks and the mode of a module: a model is judged in eval mode, whatever it is in now."""


def fingerprint_of(model: object) -> str:
    """Hash of the content of a model; of the instance too, where it holds what cannot be hashed.

    Weights are hashed again only when they moved (``traces``).
    """
    contents = _Contents()
    contents.add(getattr(model, "spec", None))  # also where the class has it, not the instance
    contents.add(model)
    tensors = contents.tensors
    key = (tuple(contents.parts), traces(tensors))
    kept = vars(model).get(_KEPT)
    if kept is None or kept.owner != id(model):
        kept = _Kept(id(model), secrets.token_hex(16))
        vars(model)[_KEPT] = kept
    if kept.key != key:
        parts = [*contents.parts, *(_bytes(t) for t in tensors)]
        if contents.opaque:
            parts.append(kept.token)
        # The tensors are kept, as another one could come to lie where a freed one lay.
        kept.key, kept.tensors, kept.value = key, tensors, content_hash(*parts)
    return kept.value


def traces(tensors: Sequence[Tensor]) -> list[tuple[int, int, str]]:
    """What differs when tensors moved, at a fraction of the cost of hashing them.

    Where each lies, how often it was changed there, and its sum: changes through ``.data``, such as
    many moving averages of weights make, are not counted.
    """
    return [(*_version(t), total) for t, total in zip(tensors, _sums(tensors), strict=True)]


@dataclasses.dataclass
class _Kept:
    """What an instance remembers: a copy of it, which has another id, starts anew."""

    owner: int
    token: str
    key: object = None
    tensors: list[Tensor] = dataclasses.field(default_factory=list)
    value: str = ""


class _Contents:
    """The plain parts and the tensors that make up an object, in a fixed order."""

    def __init__(self) -> None:
        self.parts: list[object] = []
        self.tensors: list[Tensor] = []
        self.opaque = False
        self._seen: dict[int, int] = {}
        self._alive: list[object] = []  # so that ids stay those of different objects

    def add(self, value: object) -> None:
        """Take in a value and all that it holds."""
        if isinstance(value, PLAIN):
            self._part(value)
            return
        if id(value) in self._seen:
            self._part("seen", self._seen[id(value)])
            return
        self._seen[id(value)] = len(self._seen)
        self._alive.append(value)
        if isinstance(value, Tensor):
            self._part("tensor", str(value.dtype), tuple(value.shape))
            self.tensors.append(value.detach())
        elif isinstance(value, np.ndarray | np.generic) and value.dtype.kind in "biufcSU":
            self._part("array", content_hash(np.asarray(value)))
        elif isinstance(value, enum.Enum | torch.device):
            self._part(repr(value))
        elif isinstance(value, type | types.FunctionType | types.BuiltinFunctionType):
            self._named(value)
        elif isinstance(value, types.MethodType):
            self._part(f"{value.__func__.__module__}.{value.__func__.__qualname__}")
            self.add(value.__self__)
        elif isinstance(value, functools.partial):
            self._items("partial", (value.func, value.args, value.keywords))
        elif isinstance(value, dict):
            self._items("dict", (part for item in value.items() for part in item))
            self._of_class(value)
        elif isinstance(value, list | tuple):
            self._items("sequence", value)
            self._of_class(value)
        elif isinstance(value, set | frozenset) and all(isinstance(v, PLAIN) for v in value):
            self._part("set", sorted(map(repr, value)))
        elif isinstance(value, nn.Module):
            self._module(value)
        elif isinstance(value, BaseModel):
            self._of_class(value)
            self._part(value.model_dump_json())
        elif hasattr(value, "__dict__") and not isinstance(value, types.ModuleType):
            self._of_class(value)
            self._attributes(value)
        else:
            self._part(type(value).__qualname__)
            self.opaque = True

    def _module(self, module: nn.Module) -> None:
        self._of_class(module)
        self._part(module.extra_repr())
        # Torch's own private attributes repeat its parameters, in part by weak references.
        own = type(module).__module__.startswith("torch.")
        left_out = {name for name in vars(module) if name.startswith("_")} if own else set()
        left_out -= {"_parameters", "_buffers", "_modules"}
        self._attributes(module, left_out | _MODULE_ATTRIBUTES)

    def _attributes(self, value: object, left_out: Iterable[str] = ()) -> None:
        hidden = {_KEPT, *left_out}
        for name in sorted(vars(value)):
            if name not in hidden:
                self._part(name)
                self.add(vars(value)[name])
        # What an object keeps in slots, or in the C part of its class, is not seen.
        if not isinstance(value, nn.Module) and _hides(type(value)):
            self.opaque = True

    def _items(self, kind: str, values: Iterable[object]) -> None:
        self._part(kind)
        for value in values:
            self.add(value)
        self._part("end")

    def _of_class(self, value: object) -> None:
        self._part(type(value).__module__, type(value).__qualname__)

    def _named(self, value: type | types.FunctionType | types.BuiltinFunctionType) -> None:
        name = f"{value.__module__}.{value.__qualname__}"
        self._part(name)
        if "<" in name:  # a lambda, or a function that may hold values of the one around it
            self.opaque = True

    def _part(self, *parts: object) -> None:
        self.parts.extend(f"{type(part).__name__}{part!r}" for part in parts)


def _hides(kind: type) -> bool:
    """Whether instances hold more than their ``__dict__``: slots, or a base written in C."""
    return any(
        "__slots__" in vars(base) and vars(base)["__slots__"] or not base.__flags__ & _HEAP_TYPE
        for base in kind.__mro__
        if base is not object and base.__module__ not in ("abc", "typing")
    )


_HEAP_TYPE = 1 << 9
"""``Py_TPFLAGS_HEAPTYPE``: a class that was made by a class statement (or a modern C module)."""


def _version(tensor: Tensor) -> tuple[int, int]:
    """Where a tensor lies, and how often it was changed there."""
    return (tensor.data_ptr(), -1 if tensor.is_inference() else tensor._version)


def _sums(tensors: Sequence[Tensor]) -> list[str]:
    """The sum of each tensor, as text: NaN equals itself there."""
    real = (torch.view_as_real(t) if t.is_complex() else t for t in tensors)
    return [str(float(t.sum(dtype=torch.float64))) for t in real]


def _bytes(tensor: Tensor) -> np.ndarray:
    """The bits of a tensor, of a type that numpy does not know too."""
    flat = tensor.cpu().contiguous().reshape(-1)
    array: np.ndarray = flat.view(torch.uint8).numpy() if flat.numel() else np.zeros(0, np.uint8)
    return array
