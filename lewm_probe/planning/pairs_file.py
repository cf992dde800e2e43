"""Pairs in a file: JSON whose hash is checked, with states as they are, bit for bit."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field

from lewm_probe.core.config import Config, Count, Name, Seed, parse
from lewm_probe.core.errors import UserError, brief
from lewm_probe.core.files import write_text
from lewm_probe.core.strict_json import read_json
from lewm_probe.planning.pairs import Pair, Pairs, begin, hash_of
from lewm_probe.worlds.base import Snapshot, World

LARGEST = 32 * 2**20
"""Bytes; 150 pairs of Push-T have 700,000."""

LARGEST_ARRAY = 2**20
"""Bytes of one array of a state; Push-T's largest has some hundreds."""


class _Array(Config):
    dtype: Literal["bool", "uint8", "int32", "int64", "uint64", "float32", "float64"]
    shape: tuple[Count, ...] = Field(max_length=8)
    base64: str = Field(max_length=4 * LARGEST_ARRAY // 3 + 4)


class _Pair(Config):
    start: dict[Name, _Array]
    goal: dict[Name, _Array]
    before: _Array
    actions: _Array


class _Evaluation(Config):
    seed: Seed
    drawn: Count
    solved: dict[Name, Count]
    refused: Count
    pairs: tuple[_Pair, ...]
    hash: Name


class _File(Config):
    version: Literal[1]
    world: Name
    policy: Name
    steps: Count
    pairs: Name
    evaluations: tuple[_Evaluation, ...]


def write_pairs(path: Path, evaluations: Sequence[Pairs]) -> None:
    """Write the pairs of all evaluation seeds, whole or not at all."""
    first = evaluations[0]
    stored = {
        "version": 1,
        "world": first.world,
        "policy": first.policy,
        "steps": first.steps,
        "pairs": hash_of(one for each in evaluations for one in each.ids),
        "evaluations": [
            {
                "seed": one.seed,
                "drawn": one.drawn,
                "solved": one.solved,
                "refused": one.refused,
                "hash": one.hash,
                "pairs": [
                    {
                        "start": _moment(pair.start),
                        "goal": _moment(pair.goal),
                        "before": _array(pair.before),
                        "actions": _array(pair.actions),
                    }
                    for pair in one.pairs
                ],
            }
            for one in evaluations
        ],
    }
    write_text(path, json.dumps(stored, indent=1) + "\n")


def read_pairs(path: Path, world: World) -> list[Pairs]:
    """Read pairs and try each in the world that is to solve them.

    Raises:
        UserError: no such file, not one of pairs, changed since it was written, another world's,
            or a start or goal that this world cannot be in.
    """
    where = f"The file of pairs {path}"
    held = parse(read_json(path, LARGEST), _File, where)
    if held.world != world.name:
        raise UserError(
            f"{where} is of the world {held.world}, and planning was asked for in {world.name}. "
            "Give one that was written in this world, or another --world."
        )
    found = []
    for one in held.evaluations:
        pairs = tuple(
            Pair(_state(p.start), _state(p.goal), _values(p.before), _values(p.actions))
            for p in one.pairs
        )
        solved = dict(one.solved)
        about = (held.world, one.seed, held.policy, held.steps, one.drawn, solved, one.refused)
        kept = Pairs(*about, pairs)
        if kept.hash != one.hash:
            raise UserError(
                f"{where} was changed since it was written: evaluation seed {one.seed} says its "
                f"hash is {one.hash}, and what it holds has {kept.hash}. Fetch the original, or "
                "leave --pairs out to draw pairs anew."
            )
        found.append(kept)
    if not found or not all(len(one) for one in found):
        raise UserError(f"{where} holds no pairs. Leave --pairs out to draw some.")
    _check_states(where, found, world)
    return found


def _check_states(where: str, found: Sequence[Pairs], world: World) -> None:
    width = world.frame_skip * int(np.prod(world.action_space.shape))
    for one in found:
        for number, pair in enumerate(one.pairs):
            blocks = pair.actions
            if blocks.ndim != 2 or blocks.shape[1] != width or pair.before.shape != (width,):
                raise UserError(
                    f"{where} holds action blocks of the shape {blocks.shape}, and those of "
                    f"{world.name} have {width} numbers. Draw pairs in this world."
                )
            if not (np.isfinite(blocks).all() and np.isfinite(pair.before).all()):
                raise UserError(f"{where} holds actions that are not finite. Fetch the original.")
            try:
                begin(world, pair)
            except UserError:
                raise
            except Exception as error:  # an untrusted state meets somebody's simulator
                raise UserError(
                    f"{where} holds a pair (number {number}) that {world.name} cannot be put in "
                    f"({brief(error)}). Fetch the original, or draw pairs in this world."
                ) from error


def _moment(moment: Snapshot) -> dict[str, Any]:
    return {name: _array(values) for name, values in sorted(moment.items())}


def _array(values: np.ndarray) -> dict[str, Any]:
    values = np.asarray(values)
    little = np.ascontiguousarray(values).astype(values.dtype.newbyteorder("<"), copy=False)
    return {
        "dtype": str(values.dtype),
        "shape": list(values.shape),
        "base64": base64.b64encode(little.tobytes()).decode("ascii"),
    }


def _state(moment: Mapping[str, _Array]) -> Snapshot:
    return {name: _values(array) for name, array in moment.items()}


def _values(array: _Array) -> np.ndarray:
    dtype = np.dtype(array.dtype).newbyteorder("<")
    try:
        raw = base64.b64decode(array.base64, validate=True)
    except (binascii.Error, ValueError) as error:
        raise UserError(f"A file of pairs holds an array that is no base64 ({error}).") from error
    wanted = int(np.prod(array.shape, dtype=object)) * dtype.itemsize
    if wanted != len(raw):
        raise UserError(
            f"A file of pairs holds an array of the shape {array.shape} and type {array.dtype}, "
            f"{wanted} bytes, with {len(raw)} bytes. Fetch the original."
        )
    return np.frombuffer(raw, dtype).reshape(array.shape).astype(array.dtype)
