"""Errors meant for the person at the keyboard: one readable paragraph, no traceback.

Every message names what was wrong, what was expected, and what to do next.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """Something the user can fix: a missing file, a broken data set. Exit code 1."""

    exit_code = 1

    listed = False
    """Whether ends of lines in the message are meant; else they came in with somebody's name."""


class UsageError(UserError):
    """A command, option, recipe or suite that asks for what does not exist. Exit code 2."""

    exit_code = 2


class ListedError(UserError):
    """One that ends in a list, an entry a line; no entry may hold an end of line of its own."""

    listed = True


class NotThere(UserError):
    """A path that leads nowhere: most likely a slip of the keyboard, best told before any work."""


class NotWritten(UserError):
    """A file that cannot be written: the disk or a folder is to blame, whatever was to be in it."""


LONGEST = 300
"""Letters of an untrusted error or value that are repeated: some print whole tensors."""


LONGEST_NAME = 80
"""Letters of a name in a message."""


def brief(error: BaseException) -> str:
    """An untrusted error as a clause of a sentence.

    >>> brief(ValueError("no  weights in it.")), brief(KeyError())
    ('ValueError: no weights in it', 'KeyError')
    """
    text = " ".join(str(error).split()).rstrip(".")
    shown = text if len(text) <= LONGEST else f"{text[:LONGEST]} …"
    return f"{type(error).__name__}: {shown}" if text else type(error).__name__


def unknown_name(kind: str, name: str, known: Iterable[str]) -> UsageError:
    """An error for a name that is not registered, with the nearest known one and the list.

    >>> print(unknown_name("world", "two-rom", ["two-room", "push-t"]))
    Unknown world 'two-rom'. Did you mean 'two-room'? Known: push-t, two-room.
    """
    names = sorted(known)
    name = short(name)
    near = difflib.get_close_matches(name, names, n=1)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    return UsageError(f"Unknown {kind} '{name}'.{hint} Known: {', '.join(names)}.")


def short(name: str) -> str:
    """A name, which may stand in a file and have no end, for a message."""
    return name if len(name) <= LONGEST_NAME else f"{name[:LONGEST_NAME]} …"
