"""``NAME=VALUE`` as people type it: what a checkpoint or a result is called, and where it is."""

from __future__ import annotations


def split_name(text: str) -> tuple[str | None, str]:
    """The name and the value; None for a value without a name. Spaces around them do not count.

    >>> split_name("lewm = runs/lewm"), split_name("runs/lewm"), split_name("=runs/lewm")
    (('lewm', 'runs/lewm'), (None, 'runs/lewm'), ('', 'runs/lewm'))
    """
    name, equals, value = text.partition("=")
    return (name.strip(), value.strip()) if equals else (None, text)
