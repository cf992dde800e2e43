"""The tables of a folder data set: ``episodes.csv``, ``dataset.yaml`` and ``quantities.yaml``.

``episodes.csv`` has one line a step with the fields ``episode``, ``step``, ``action_0`` … and any
state fields. Fields that share a name up to ``_x _y _z`` or ``_0 _1 …`` become one column.
``dataset.yaml``, which ``data convert`` writes and people can leave out, says what a CSV file
cannot: types and shapes of columns, and the attributes of the data set.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import yaml
from pydantic import Field

from lewm_probe.core.config import Config, parse, read_yaml
from lewm_probe.core.errors import UserError
from lewm_probe.data.formats.hdf5.layout import LARGEST_IMAGE
from lewm_probe.data.quantities import Declared, declarations_json, parse_declarations

TABLE, DESCRIPTION, QUANTITIES = "episodes.csv", "dataset.yaml", "quantities.yaml"
EPISODE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
"""Names of episodes become names of folders and videos, so that nothing else is let in."""
DTYPES = r"^(bool|float(16|32|64)|u?int(8|16|32|64))$"
"""Types that numbers in a CSV file can have."""
_RESERVED = ("episode", "step", "pixels", "step_idx", "ep_idx", "episode_idx")
_LONGEST_HEADER = 2**20
_LARGEST_YAML = 2**18


class StoredColumn(Config):
    """Type and shape of a row of a column; its numbers stand in the CSV fields one by one."""

    dtype: str = Field(pattern=DTYPES)
    shape: tuple[Annotated[int, Field(ge=1)], ...] = Field((), max_length=4)

    def width(self) -> int:
        """Numbers in a row."""
        total = 1
        for side in self.shape:
            total *= side
        return total


class Description(Config):
    """``dataset.yaml``."""

    episode_column: Literal["ep_idx", "episode_idx"] = "ep_idx"
    attrs: dict[str, str | int | float] = {}
    columns: dict[str, StoredColumn] = {}


@dataclass(frozen=True)
class Table:
    """What the three files say.

    Attributes:
        names: of the episodes, in order.
        lengths: rows of each, int64.
        columns: ``action`` and the state columns, each (rows, …).
        description: of ``dataset.yaml``.
        attrs: its attributes, and the quantities.
    """

    names: tuple[str, ...]
    lengths: np.ndarray
    columns: dict[str, np.ndarray]
    description: Description
    attrs: dict[str, str | int | float]


def read_table(folder: Path) -> Table:
    """Read and check the tables of a folder.

    Raises:
        UserError: a file is missing, is a link, or holds what it should not.
    """
    described = _yaml(folder / DESCRIPTION)
    description = (
        Description()
        if described is None
        else parse(described, Description, str(folder / DESCRIPTION))
    )
    attrs = dict(description.attrs)
    declared = _yaml(folder / QUANTITIES)
    if declared is not None:
        attrs["quantities"] = declarations_json(
            parse_declarations(declared, str(folder / QUANTITIES))
        )
    path = folder / TABLE
    fields = _header(path)
    grouped = _grouped(path, fields, description.columns)
    stored = description.columns
    kinds = {field: stored[c].dtype for c, own in grouped.items() if c in stored for field in own}
    values = _numbers(path, fields, kinds)
    names, lengths = _episodes(path, values.pop("episode"), values.pop("step"))
    columns = {}
    for column, own in grouped.items():
        parts = np.stack([values[field] for field in own], axis=1)  # (rows, width)
        if column in stored:
            shaped = parts.reshape(len(parts), *stored[column].shape)
            columns[column] = shaped.astype(stored[column].dtype)
        elif column == "action":
            columns[column] = parts.astype(np.float32)
        else:
            columns[column] = parts[:, 0] if own == [column] else parts
    return Table(names, lengths, columns, description, attrs)


def fields_of(column: str, shape: Sequence[int]) -> list[str]:
    """The CSV fields of a column.

    >>> fields_of("pos_agent", (2,)), fields_of("reward", ())
    (['pos_agent_0', 'pos_agent_1'], ['reward'])
    """
    if not shape:
        return [column]
    return [f"{column}_{i}" for i in range(int(np.prod(shape)))]


def regular_file(path: Path) -> None:
    """Refuse what is no file of this very folder.

    Raises:
        UserError: missing, a link (which could show any file at all), a pipe or a folder.
    """
    if path.is_symlink():
        raise UserError(
            f"{path} is a link, and links in data sets are not followed. Put the file itself there."
        )
    if not path.is_file():
        what = "is not a file" if path.exists() else "does not exist"
        raise UserError(
            f"{path} {what}. A folder data set has {TABLE} and, for each episode in it, a folder "
            "of images <episode>/000000.png … or a video <episode>.mp4; "
            "lewm_probe/data/README.md shows one."
        )


def declarations_yaml(declared: Mapping[str, Declared]) -> str:
    """``quantities.yaml`` of some quantities."""
    plain = {n: d.model_dump(exclude_defaults=True, mode="json") for n, d in declared.items()}
    return yaml.safe_dump(plain, sort_keys=False)


def _yaml(path: Path) -> Any:
    """The plain data of an optional YAML file; None without it."""
    if not path.exists() and not path.is_symlink():
        return None
    regular_file(path)
    if path.stat().st_size > _LARGEST_YAML:
        raise UserError(f"{path} is larger than {_LARGEST_YAML} bytes. Describe fewer things.")
    try:
        return read_yaml(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError) as error:
        problem = getattr(error, "problem", None)
        why = f"{type(error).__name__}: {problem}" if problem else type(error).__name__
        raise UserError(
            f"{path} is not a YAML file that can be read ({why}). Fix its syntax."
        ) from error


def _header(path: Path) -> list[str]:
    regular_file(path)
    with open(path, "rb") as file:
        line = file.readline(_LONGEST_HEADER)
    try:
        (fields,) = csv.reader([line.decode("utf-8-sig").strip("\r\n")])
    except (ValueError, csv.Error) as error:
        raise _bad(path, "its first line does not name its fields") from error
    if len(fields) > LARGEST_IMAGE or len(line) == _LONGEST_HEADER:
        raise _bad(path, f"its first line names {len(fields)} fields")
    twice = next((field for field in fields if fields.count(field) > 1), None)
    if twice is not None:
        raise _bad(path, f"the field '{twice[:80]}' stands twice")
    missing = [name for name in ("episode", "step", "action_0") if name not in fields]
    if missing:
        text = ", ".join(field[:40] for field in fields[:12]) or "nothing"
        found = "".join(letter if letter.isprintable() else "?" for letter in text)
        raise _bad(path, f"it lacks {', '.join(missing)} (found: {found})")
    return fields


def _grouped(
    path: Path, fields: Sequence[str], stored: Mapping[str, StoredColumn]
) -> dict[str, list[str]]:
    """Column → its fields, sorted by column name."""
    rest = dict.fromkeys(field for field in fields if field not in ("episode", "step"))
    grouped: dict[str, list[str]] = {}
    for column, kind in stored.items():
        if kind.width() > LARGEST_IMAGE:
            raise _bad(
                path.parent / DESCRIPTION, f"the column '{column}' has {kind.width()} fields"
            )
        own = fields_of(column, kind.shape)
        lacking = [field for field in own if field not in rest]
        if lacking:
            raise _bad(path, f"{DESCRIPTION} promises the field '{lacking[0]}', which is not there")
        grouped[column] = own
        for field in own:
            rest.pop(field)
    for suffixes in (("x", "y", "z"), tuple(str(i) for i in range(len(rest)))):
        first = f"_{suffixes[0]}" if suffixes else ""
        bases = [field.removesuffix(first) for field in rest if first and field.endswith(first)]
        for base in bases:
            own = []
            for suffix in suffixes:
                if f"{base}_{suffix}" not in rest:
                    break
                own.append(f"{base}_{suffix}")
            _add(path, grouped, base, own)
            for field in own:
                rest.pop(field)
    for field in rest:
        if re.fullmatch(r"action_\d+", field):
            raise _bad(path, f"the fields action_0 … do not lead up to '{field[:80]}'")
        _add(path, grouped, field, [field])
    action = stored.get("action")
    flat = action is None or (action.dtype.startswith("float") and len(action.shape) == 1)
    if "action" not in grouped or not flat:
        raise _bad(path, f"{DESCRIPTION} describes no action of one axis, float")
    return dict(sorted(grouped.items()))


def _add(path: Path, grouped: dict[str, list[str]], column: str, own: list[str]) -> None:
    if column in grouped or column in _RESERVED or not column:
        raise _bad(path, f"the column '{column[:80]}', from the field '{own[0][:80]}', is taken")
    grouped[column] = own


def _numbers(path: Path, fields: Sequence[str], kinds: Mapping[str, str]) -> dict[str, np.ndarray]:
    """Each field's values; numbers come back as exactly those that were written."""
    import pyarrow as pa
    from pyarrow import csv as arrow

    types = {
        field: pa.float64() if kinds.get(field, "float64").startswith("float") else pa.int64()
        for field in fields
    }
    types |= {"episode": pa.string(), "step": pa.int64()}
    convert = arrow.ConvertOptions(column_types=types, null_values=["", "nan", "NaN"])
    try:
        one_thread = arrow.ReadOptions(use_threads=False)  # so that errors name the line
        table = arrow.read_csv(path, read_options=one_thread, convert_options=convert)
    except (pa.ArrowException, ValueError, OSError) as error:
        reason = " ".join(str(error).split())[:160]
        raise _bad(path, f"some field is not a number, or lines differ in length ({reason})") from (
            error
        )
    values = {}
    for field in fields:
        column = table[field]
        if column.null_count and types[field] != pa.float64():
            raise _bad(path, f"the field '{field[:80]}' is empty in {column.null_count} lines")
        values[field] = column.to_numpy()
    return values


def _episodes(
    path: Path, episode: np.ndarray, step: np.ndarray
) -> tuple[tuple[str, ...], np.ndarray]:
    if not len(episode):
        raise _bad(path, "it has no lines")
    starts = np.flatnonzero(np.r_[True, episode[1:] != episode[:-1]])
    names = tuple(str(name) for name in episode[starts])
    for name in names:
        if not EPISODE_NAME.fullmatch(name):
            raise _bad(
                path,
                f"{name[:80]!r} is no name for an episode (letters, digits, '_', '-' and '.', the "
                "first a letter or digit)",
            )
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise _bad(path, f"the lines of episode '{twice}' do not stand together")
    lengths = np.diff(np.r_[starts, len(episode)])
    counted = np.arange(len(episode)) - np.repeat(starts, lengths)
    wrong = np.flatnonzero(step != counted)
    if len(wrong):
        at = int(wrong[0])
        raise _bad(
            path,
            f"line {at + 2} is step {step[at]} of episode '{episode[at]}', where step "
            f"{counted[at]} should stand: steps count from 0 without a gap",
        )
    return names, lengths.astype(np.int64)


def _bad(path: Path, what: str) -> UserError:
    return UserError(
        f"{path} does not describe a folder of episodes: {what}. lewm_probe/data/README.md shows "
        "how it has to look."
    )
