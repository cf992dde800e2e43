"""What ``check_world`` and ``check_world_model`` share: checks in order, and a report of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np

from lewm_probe.core.errors import brief

Bench = TypeVar("Bench")

Checks = Mapping[str, tuple[Callable[[Bench], str], tuple[str, ...]]]
"""Each check and those that have to pass first: one fault is told once, at its root. A check takes
what is examined and says what it saw; it raises ``Fails`` or ``Skips``."""


class Fails(Exception):
    """What something does against its interface."""


class Skips(Exception):
    """What something does not have, so that there is nothing to check."""


@dataclass(frozen=True)
class Finding:
    """What one check found.

    Attributes:
        check: its name.
        outcome: ``skipped`` where it is not offered, or where it needs another check.
        detail: what was seen, what was wrong, or why it was skipped.
    """

    check: str
    outcome: Literal["ok", "failed", "skipped"]
    detail: str

    def __str__(self) -> str:
        return f"{self.outcome:9}{self.check:20}{self.detail}"


@dataclass(frozen=True)
class Conformance:
    """What all checks found, in order.

    Attributes:
        name: of what was examined.
        findings: one for each check.
    """

    name: str
    findings: tuple[Finding, ...]

    @property
    def failed(self) -> tuple[Finding, ...]:
        """The findings that something is wrong."""
        return tuple(f for f in self.findings if f.outcome == "failed")

    def __str__(self) -> str:
        counts = [
            f"{count} {word}"
            for word in ("failed", "skipped")
            if (count := sum(f.outcome == word for f in self.findings))
        ]
        passed = sum(f.outcome == "ok" for f in self.findings)
        head = ", ".join([f"{passed} of {len(self.findings)} checks passed", *counts])
        return "\n".join([f"{self.name}: {head}", *map(str, self.findings)])


def findings(checks: Checks[Bench], bench: Bench, what: str) -> Iterator[Finding]:
    """Try all checks in order; ``what`` is examined, e.g. ``the world``."""
    found: dict[str, Finding] = {}
    for name, (check, needs) in checks.items():
        found[name] = _finding(name, check, bench, what, [found[need] for need in needs])
        yield found[name]


def _finding(
    name: str, check: Callable[[Bench], str], bench: Bench, what: str, needs: list[Finding]
) -> Finding:
    for need in needs:
        if need.outcome == "failed":
            return Finding(name, "skipped", f"it needs '{need.check}', which failed")
        if need.outcome == "skipped":
            return Finding(name, "skipped", need.detail)
    try:
        return Finding(name, "ok", check(bench))
    except Fails as found:
        return Finding(name, "failed", str(found))
    except Skips as found:
        return Finding(name, "skipped", str(found))
    except Exception as error:  # noqa: BLE001 an untrusted class may raise anything
        return Finding(name, "failed", f"{what} raised {kind(error)}")


def kind(value: object) -> str:
    """What something is, in words."""
    if isinstance(value, np.ndarray):
        return f"{_a(str(value.dtype))} array"
    if isinstance(value, BaseException):
        return brief(value)
    return _a(type(value).__name__)


def _a(noun: str) -> str:
    return f"an {noun}" if noun[0] in "aeio" else f"a {noun}"
