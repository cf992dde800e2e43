"""Whether a folder may take a result or a report: what others wrote there is never replaced."""

from __future__ import annotations

from pathlib import Path

from lewm_probe.core.errors import UserError

MARK = "written by lewm-probe"
"""Stands in the head of every page, so that it is known again."""

CARDS = "cards"
"""The folder of model cards beside them."""

_HEAD = 4096
"""Bytes in which a mark stands."""


def check_place(folder: Path) -> None:
    """Refuse a folder whose ``results.json``, page or model card is not ours.

    Pages of versions that left no mark are known by the results beside them.

    Raises:
        UserError: somebody else's file would be replaced.
    """
    results = folder / "results.json"
    if results.exists() and b'"schema_version"' not in _head(results):
        raise _of_others(results)
    if results.exists():
        return
    cards = sorted((folder / CARDS).glob("*.md"))
    for page in (folder / "report.html", folder / "report.md", *cards):
        if page.exists() and MARK.encode() not in _head(page):
            raise _of_others(page)


def _head(path: Path) -> bytes:
    if not path.is_file():
        return b""
    try:
        with open(path, "rb") as file:
            return file.read(_HEAD)
    except OSError:
        return b""


def _of_others(path: Path) -> UserError:
    return UserError(
        f"{path} is there already and was not written by lewm-probe, so it is not replaced. Move "
        "it away, or choose another folder with --out."
    )
