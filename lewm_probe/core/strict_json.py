"""Untrusted JSON: bounded in size and depth, no key twice, no NaN, no numbers without end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NoReturn

from lewm_probe.core.errors import UserError
from lewm_probe.core.files import regular_file

LARGEST_JSON = 1024 * 1024
"""Bytes; a released config.json has under 2,000."""

MOST_DEPTH = 32
"""Brackets inside each other; a released config.json has three."""

MOST_DIGITS = 18
"""Of a whole number: what 64 bits hold."""


def read_json(path: Path, largest: int = LARGEST_JSON) -> Any:
    """The plain data in a JSON file of at most ``largest`` bytes.

    Raises:
        UserError: not there, no ordinary file, too large or too deep, not JSON, a key that stands
            twice, NaN or Infinity, or a number of more digits than any size has.
    """
    path = Path(path)
    regular_file(path)
    try:
        with open(path, "rb") as raw:
            data = raw.read(largest + 1)
    except OSError as error:
        raise UserError(
            f"{path} cannot be read ({error.strerror}). Check the path and its permissions."
        ) from error
    if len(data) > largest:
        raise UserError(
            f"{path} has {path.stat().st_size:,} bytes, but such a file has under "
            f"{largest:,}. It is something else; give the original."
        )
    try:
        return parse_json(data.decode("utf-8"), str(path))
    except UnicodeDecodeError as error:
        raise _not_json(str(path), f"byte {error.start} is no UTF-8 text") from error


def parse_json(text: str, where: str) -> Any:
    """The plain data in a text, such as a header; ``where`` names its source in errors.

    Raises:
        UserError: as ``read_json``.
    """
    _bound_depth(where, text)
    try:
        return json.loads(
            text,
            parse_constant=lambda word: _refuse(where, f"{word} is no number that JSON has"),
            parse_int=lambda digits: _whole(where, digits),
            parse_float=lambda digits: _decimal(where, digits),
            object_pairs_hook=lambda pairs: _object(where, pairs),
        )
    except json.JSONDecodeError as error:
        raise _not_json(where, f"at character {error.pos}: {error.msg}") from error


def _bound_depth(where: str, text: str) -> None:
    depth, quoted, escaped = 0, False, False
    for character in text:
        if quoted:
            quoted = escaped or character != '"'
            escaped = character == "\\" and not escaped
        elif character == '"':
            quoted = True
        elif character in "[{":
            depth += 1
            if depth > MOST_DEPTH:
                _refuse(where, f"its brackets lie more than {MOST_DEPTH} deep in each other")
        elif character in "]}":
            depth -= 1


def _object(where: str, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for key, value in pairs:
        if key in made:
            _refuse(where, f"the key '{key[:60]}' stands twice in it")
        made[key] = value
    return made


def _whole(where: str, digits: str) -> int:
    if len(digits.lstrip("-")) > MOST_DIGITS:
        _refuse(where, f"a whole number in it has {len(digits):,} digits")
    return int(digits)


def _decimal(where: str, digits: str) -> float:
    value = float(digits)
    if value in (float("inf"), float("-inf")):
        _refuse(where, f"the number {digits[:20]} in it is beyond all computers")
    return value


def _refuse(where: str, why: str) -> NoReturn:
    raise UserError(f"{where} is not read: {why}. Fix the file, or fetch the original again.")


def _not_json(where: str, why: str) -> UserError:
    return UserError(
        f"{where} is not JSON ({why}). It is of another kind, or was cut short; fetch it again."
    )
