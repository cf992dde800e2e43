"""What a PyTorch file's pickle would build, read without building any of it.

A ``.pt`` file is a zip archive: ``data.pkl`` says which tensors there are, ``data/0``, ``data/1`` …
are their bytes. A pickle is a program, and running an untrusted program is how checkpoints do harm;
even PyTorch's restricted reader believes the sizes it finds. This is an interpreter of the few
instructions that a table of tensors needs. It calls nothing, imports nothing and allocates nothing
on a file's word: where the pickle names a function, it must be one of a closed table, and what
comes out is a ``Claim`` about a tensor, to be checked against the bytes that are there.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lewm_probe.core.errors import UserError

DTYPES = {
    "DoubleStorage": ("float64", 8),
    "FloatStorage": ("float32", 4),
    "HalfStorage": ("float16", 2),
    "BFloat16Storage": ("bfloat16", 2),
    "LongStorage": ("int64", 8),
    "IntStorage": ("int32", 4),
    "ShortStorage": ("int16", 2),
    "CharStorage": ("int8", 1),
    "ByteStorage": ("uint8", 1),
    "BoolStorage": ("bool", 1),
}
"""Storages by the class a pickle names: type and bytes a number."""

REFUSED_KINDS = {
    "_rebuild_sparse_tensor": "sparse",
    "_rebuild_sparse_csr_tensor": "sparse",
    "_rebuild_qtensor": "quantized",
    "_rebuild_nested_tensor": "nested",
    "_rebuild_meta_tensor_no_storage": "empty (meta)",
    "_rebuild_wrapper_subclass": "subclassed",
    "ComplexFloatStorage": "complex",
    "ComplexDoubleStorage": "complex",
    "QInt8Storage": "quantized",
    "QUInt8Storage": "quantized",
    "QInt32Storage": "quantized",
}
"""Tensors that no world model here has, by the name that makes or stores them."""

MOST_INSTRUCTIONS = 400_000
"""303 tensors need about 7,000, with an optimiser's state beside them 25,000."""

PROTOCOL = 2
"""Of pickles; torch.save's default, and all that ``weights_only`` reads without complaint."""

MOST_AXES = 16
"""Of a tensor; the deepest convolution has five."""


@dataclass(frozen=True)
class Storage:
    """Bytes that a pickle refers to: the archive's entry ``data/KEY``."""

    key: str
    dtype: str
    itemsize: int
    numel: int


@dataclass(frozen=True)
class Claim:
    """A tensor as the pickle describes it."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]

    @property
    def numel(self) -> int:
        """Numbers in the tensor."""
        count = 1
        for side in self.shape:
            count *= side
        return count

    @property
    def reach(self) -> int:
        """Numbers of storage from its start to the tensor's last one."""
        if self.numel == 0:
            return self.offset
        steps = ((side - 1) * by for side, by in zip(self.shape, self.stride, strict=True))
        return self.offset + sum(steps) + 1


@dataclass(frozen=True)
class Plan:
    """What a pickle would build.

    Attributes:
        value: plain values: dicts, lists, tuples, numbers, words, and ``Claim`` for tensors.
        storages: every storage it asks for, whether or not it is in ``value``.
        claims: every tensor it makes, likewise: one that is thrown away is made all the same.
    """

    value: Any
    storages: tuple[Storage, ...]
    claims: tuple[Claim, ...]


class Damaged(Exception):
    """The pickle cannot be followed; the caller knows the file."""


@dataclass(frozen=True)
class _Global:
    module: str
    name: str


_MARK = object()


def read_plan(pickle: bytes, path: Path) -> Plan:
    """Follow a pickle without building what it asks for.

    Args:
        pickle: the bytes of ``data.pkl``.
        path: the file, for messages.

    Raises:
        UserError: it names a class or function that a table of tensors does not need, so that
            reading it would run code; or sparse, quantized or complex tensors.
        Damaged: not a pickle, cut short, or of a shape no tensor table has.
    """
    return _Reader(path).run(pickle)


def named_claims(plan: Plan) -> Iterator[tuple[str, Claim]]:
    """Every tensor that a plan makes, with its place in the value where it has one."""
    names = {id(claim): name for name, claim in _walk(plan.value)}
    for number, claim in enumerate(plan.claims):
        yield names.get(id(claim), f"number {number}"), claim


def _walk(value: Any) -> Iterator[tuple[str, Claim]]:
    """Tensors in a value with their places; each container is entered once.

    A pickle may put a list into itself, or a hundred times into others, and cost nothing; to walk
    all its paths would never end.
    """
    seen: set[int] = set()
    waiting: list[tuple[str, Any]] = [("", value)]
    while waiting:
        name, value = waiting.pop()
        if isinstance(value, Claim):
            yield name, value
            continue
        if not isinstance(value, dict | list | tuple) or id(value) in seen:
            continue
        seen.add(id(value))
        items = value.items() if isinstance(value, dict) else enumerate(value)
        waiting += [(f"{name}.{key}"[-200:].lstrip("."), inner) for key, inner in items]


class _Reader:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.storages: dict[str, Storage] = {}
        self.claims: list[Claim] = []

    def run(self, pickle: bytes) -> Plan:
        try:
            for count, (code, argument, _) in enumerate(pickletools.genops(pickle)):
                if count > MOST_INSTRUCTIONS:
                    raise Damaged(f"more than {MOST_INSTRUCTIONS:,} instructions")
                if code.name == "STOP":
                    return Plan(self.pop(), tuple(self.storages.values()), tuple(self.claims))
                action = _ACTIONS.get(code.name)
                if action is None:
                    raise self._code(f"the instruction {code.name}")
                action(self, argument)
        except (ValueError, IndexError, KeyError, TypeError, UnicodeDecodeError) as error:
            raise Damaged(f"its pickle breaks off: {error}") from error
        raise Damaged("its pickle has no end")

    # ---- stack

    def pop(self) -> Any:
        top = self.stack.pop()
        if top is _MARK:
            raise Damaged("it takes more from its stack than it put there")
        return top

    def pop_mark(self) -> list[Any]:
        items: list[Any] = []
        while (top := self.stack.pop()) is not _MARK:
            items.append(top)
        return items[::-1]

    def remember(self, index: int) -> None:
        if self.stack[-1] is _MARK:
            raise Damaged("it remembers what is no value")
        self.memo[index] = self.stack[-1]

    # ---- instructions

    def protocol(self, number: int) -> None:
        if number != PROTOCOL:
            raise UserError(
                f"{self.path} was pickled with protocol {number}, but PyTorch's restricted reader "
                f"takes {PROTOCOL}, the default of torch.save. Save it anew without "
                "pickle_protocol."
            )

    def tuple_of(self, count: int) -> None:
        items = [self.pop() for _ in range(count)][::-1]
        self.stack.append(tuple(items))

    def set_items(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if not isinstance(target, dict):
            raise Damaged("it fills something that is no dictionary")
        for key, value in zip(items[::2], items[1::2], strict=True):
            if not isinstance(key, str | int | float):
                raise Damaged(f"a key of its dictionaries is a {type(key).__name__}")
            target[key] = value

    def append(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if not isinstance(target, list):
            raise Damaged("it fills something that is no list")
        target.extend(items)

    def global_(self, module: str, name: str) -> None:
        if name in REFUSED_KINDS and module.split(".")[0] == "torch":
            raise UserError(
                f"{self.path} holds a {REFUSED_KINDS[name]} tensor, but world models here are made "
                "of dense real ones. Save the model's plain float32 state dict instead: "
                "torch.save(model.state_dict(), 'weights.pt')."
            )
        if (module, name) not in _CALLS and not (module == "torch" and name in DTYPES):
            raise self._code(f"{module}.{name}")
        self.stack.append(_Global(module, name))

    def reduce(self) -> None:
        arguments, function = self.pop(), self.pop()
        if not (isinstance(function, _Global) and isinstance(arguments, tuple)):
            raise self._code("a call of something that is no function")
        call = _CALLS.get((function.module, function.name))
        if call is None:
            raise self._code(f"a call of {function.module}.{function.name}")
        made = call(*arguments)
        if isinstance(made, Claim) and call is _tensor:
            self.claims.append(made)
        self.stack.append(made)

    def build(self) -> None:
        """A state dict's ``_metadata``: version numbers of modules, not needed here."""
        self.pop()
        if not isinstance(self.stack[-1], dict):
            raise self._code("attributes set on something that is no dictionary")

    def persistent(self) -> None:
        kind, storage, key, _, numel = self.pop()
        if kind != "storage" or not isinstance(storage, _Global) or storage.name not in DTYPES:
            raise Damaged("a tensor refers to something that is no storage")
        if not isinstance(key, str) or type(numel) is not int or numel < 0:
            raise Damaged("a tensor's storage has no name or a negative size")
        dtype, itemsize = DTYPES[storage.name]
        found = Storage(key, dtype, itemsize, numel)
        if self.storages.setdefault(key, found) != found:
            raise Damaged("the same bytes are asked for as two types or sizes")
        self.stack.append(self.storages[key])

    def _code(self, what: str) -> UserError:
        return UserError(
            f"{self.path} is more than a table of tensors: its pickle asks for {_short(what)}, and "
            "reading it would run code from the file, which lewm-probe never does. "
            f"{how_to_convert(self.path)}"
        )


def how_to_convert(path: Path) -> str:
    """What the owner of a pickled module can do with it, elsewhere; nothing here does."""
    return (
        "Only if you trust whoever made it, convert it where its classes are installed: import "
        f"torch; model = torch.load('{path.name}', weights_only=False, map_location='cpu'); "
        "torch.save(model.state_dict(), 'weights.pt'); then give a folder with that weights.pt and "
        "the run's config.json."
    )


def _tensor(
    storage: Any, offset: Any, shape: Any, stride: Any, _grad: Any, _hooks: Any, *_: Any
) -> Claim:
    shape, stride = tuple(shape), tuple(stride)
    numbers = (offset, *shape, *stride)
    if not isinstance(storage, Storage) or any(type(n) is not int or n < 0 for n in numbers):
        raise Damaged("a tensor has a negative or missing size")
    if len(shape) != len(stride) or len(shape) > MOST_AXES:
        raise Damaged("a tensor's shape and strides do not belong together")
    return Claim(storage, offset, shape, stride)


def _parameter(data: Any, _grad: Any = None, _hooks: Any = None, *_: Any) -> Claim:
    if not isinstance(data, Claim):
        raise Damaged("a parameter is no tensor")
    return data


def _ordered(items: Any = ()) -> dict[Any, Any]:
    if items != ():
        raise Damaged("a dictionary is made from a list, as torch.save never does")
    return {}


def _size(shape: Any = ()) -> tuple[Any, ...]:
    return tuple(shape)


_CALLS: dict[tuple[str, str], Callable[..., Any]] = {
    ("collections", "OrderedDict"): _ordered,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch._utils", "_rebuild_parameter"): _parameter,
    ("torch", "Size"): _size,
}
"""All that a pickle may call, and what stands for it here."""

_Action = Callable[[_Reader, Any], None]


_ACTIONS: dict[str, _Action] = {
    "PROTO": lambda r, a: r.protocol(a),
    **dict.fromkeys(
        ("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE"),
        lambda r, a: r.stack.append(a),
    ),
    "NONE": lambda r, a: r.stack.append(None),
    "NEWTRUE": lambda r, a: r.stack.append(True),
    "NEWFALSE": lambda r, a: r.stack.append(False),
    "MARK": lambda r, a: r.stack.append(_MARK),
    "EMPTY_DICT": lambda r, a: r.stack.append({}),
    "EMPTY_LIST": lambda r, a: r.stack.append([]),
    "EMPTY_TUPLE": lambda r, a: r.stack.append(()),
    "TUPLE": lambda r, a: r.stack.append(tuple(r.pop_mark())),
    "TUPLE1": lambda r, a: r.tuple_of(1),
    "TUPLE2": lambda r, a: r.tuple_of(2),
    "TUPLE3": lambda r, a: r.tuple_of(3),
    "APPEND": lambda r, a: r.append([r.pop()]),
    "APPENDS": lambda r, a: r.append(r.pop_mark()),
    "SETITEM": lambda r, a: r.set_items([r.pop(), r.pop()][::-1]),
    "SETITEMS": lambda r, a: r.set_items(r.pop_mark()),
    **dict.fromkeys(
        ("BINGET", "LONG_BINGET"),
        lambda r, a: r.stack.append(r.memo[a]),
    ),
    **dict.fromkeys(("BINPUT", "LONG_BINPUT"), lambda r, a: r.remember(a)),
    "GLOBAL": lambda r, a: r.global_(*a.split(" ", 1)),
    "REDUCE": lambda r, a: r.reduce(),
    "BUILD": lambda r, a: r.build(),
    "BINPERSID": lambda r, a: r.persistent(),
}
"""The instructions of a table of tensors; any other ends the reading."""


def _short(what: str) -> str:
    cleaned = "".join(c if c.isprintable() else "?" for c in what)
    return cleaned if len(cleaned) <= 80 else cleaned[:77] + "..."
