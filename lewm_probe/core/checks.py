"""What ``check_world`` and ``check_world_model`` share: checks in order, and a report of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

import numpy as np

from lewm_probe.core.errors import ListedError, UserError, brief

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


@dataclass(frozen=True)
class CheckList(Generic[Bench]):
    """The checks of one interface.

    Attributes:
        checks: in order.
        what: is examined, e.g. ``world``.
        it: the same in findings, e.g. ``the world``.
        before: what it has to pass before, e.g. ``it is audited``.
        call: name of the public function, for messages.
    """

    checks: Checks[Bench]
    what: str
    it: str
    before: str
    call: str

    def run(self, name: str, bench: Bench, *, failed: set[str], report_only: bool) -> Conformance:
        """Try all on something of that name; checks that failed are added to ``failed`` at once.

        Raises:
            ListedError: a check failed, unless ``report_only``; every failure is named.
        """
        found: dict[str, Finding] = {}
        for check, (function, needs) in self.checks.items():
            found[check] = self._finding(check, function, bench, [found[need] for need in needs])
            if found[check].outcome == "failed":
                failed.add(check)
        report = Conformance(name, tuple(found.values()))
        if failed and not report_only:
            lines = "".join(f"\n  {f.check}: {f.detail}." for f in report.failed)
            raise ListedError(
                f"The {self.what} {name} fails {len(failed)} of {len(found)} checks:{lines}\nFix "
                f"it and check again, before {self.before}. What was skipped for these is in the "
                f"report that {self.call} gives with report_only=True."
            )
        return report

    def _finding(
        self, name: str, check: Callable[[Bench], str], bench: Bench, needs: list[Finding]
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
            return Finding(name, "failed", f"{self.it} raised {kind(error)}")


def refused(call: str, attempt: Callable[[], object], wanted: type[UserError] = UserError) -> None:
    """Check that something is answered with a readable error.

    Raises:
        Fails: it is not.
    """
    try:
        attempt()
    except wanted:
        return
    except Exception as error:  # an untrusted code may raise anything
        raise Fails(f"{call} raised {kind(error)}; expected a {wanted.__name__}") from error
    raise Fails(f"{call} was taken; expected a {wanted.__name__}")


def kind(value: object) -> str:
    """What something is, in words."""
    if isinstance(value, np.ndarray):
        return f"{_a(str(value.dtype))} array"
    if isinstance(value, BaseException):
        return brief(value)
    return _a(type(value).__name__)


def _a(noun: str) -> str:
    return f"an {noun}" if noun[0] in "aeio" else f"a {noun}"
