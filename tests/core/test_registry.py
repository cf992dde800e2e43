from __future__ import annotations

import sys
from collections.abc import Callable
from fractions import Fraction
from numbers import Rational
from pathlib import Path

import pytest

from lewm_probe.core.errors import UsageError, UserError
from lewm_probe.core.registry import Registry

SOURCE = """
from fractions import Fraction

half = Fraction(1, 2)
word = "half"
"""
RAISING = {
    "needy": "import not_installed_at_all",
    "leaves": "raise SystemExit(3)",
    "broken": "raise ValueError('no  weights in it.')",
    "told": "from lewm_probe.core.errors import UserError\nraise UserError('Do this.')",
}


@pytest.fixture
def shares(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Registry[Rational]]:
    """A registry, and a package that registers one value as ``theirs``, and as ``whole``."""
    (tmp_path / "their_shares.py").write_text(SOURCE)
    for name, code in RAISING.items():
        (tmp_path / f"{name}.py").write_text(code)
    info = tmp_path / "their_shares-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: their-shares\nVersion: 1.0\n")

    def made(value: str, *, classes: bool = False) -> Registry[Rational]:
        entries = f"[lewm_probe.shares]\ntheirs = {value}\nwhole = {value}\n"
        (info / "entry_points.txt").write_text(entries)
        monkeypatch.syspath_prepend(tmp_path)
        built_in = {"whole": "tests.core.test_registry:WHOLE", "gone": "tests.core.no_such:GONE"}
        return Registry("lewm_probe.shares", Rational, built_in, what="share", classes=classes)

    yield made
    for name in ("their_shares", *RAISING):
        sys.modules.pop(name, None)


WHOLE = Fraction(1)


def test_names_are_known_without_an_import_and_ours_win(shares: Callable) -> None:
    found = shares("their_shares:half")
    assert found.names() == ("gone", "theirs", "whole")
    assert "their_shares" not in sys.modules
    assert found.get("theirs") == Fraction(1, 2)
    assert found.get("theirs") is found.get("theirs")
    assert found.get("whole") is WHOLE
    origins = [(found.origin(name), found.is_built_in(name)) for name in ("theirs", "whole", "no")]
    assert origins == [("their-shares", False), ("", True), ("", False)]


def test_those_of_this_process(shares: Callable) -> None:
    found = shares("their_shares:half")
    third = Fraction(1, 3)
    assert found.register("third", third) is third
    assert found.register("third", third) is third  # the same one again changes nothing
    assert found.get("third") is third
    assert "third" in found
    assert found.registered() == {"third": third}
    for name in ("third", "theirs", "whole"):
        with pytest.raises(UsageError) as error:
            found.register(name, Fraction(2, 3))
        assert str(error.value) == (
            f"The name '{name}' belongs to another share already; results under one name must "
            "mean the same share. Give another name."
        )


def test_an_unknown_name(shares: Callable) -> None:
    with pytest.raises(UsageError) as error:
        shares("their_shares:half").get("their")
    assert str(error.value) == (
        "Unknown share 'their'. Did you mean 'theirs'? Known: gone, theirs, whole."
    )


REMOVE = "Install what it needs, or remove the package that registers it."


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("needy:x", f"cannot be loaded: No module named 'not_installed_at_all'. {REMOVE}"),
        (
            "their_shares:third",
            f"cannot be loaded: module 'their_shares' has no attribute 'third'. {REMOVE}",
        ),
        ("leaves:x", f"cannot be loaded: SystemExit: 3. {REMOVE}"),
        ("broken:x", f"cannot be loaded: ValueError: no weights in it. {REMOVE}"),
        (
            "their_shares:word",
            "is not an instance of numbers.Rational. Fix the package that registers it.",
        ),
    ],
)
def test_what_a_package_registers_in_vain(shares: Callable, value: str, message: str) -> None:
    with pytest.raises(UserError) as error:
        shares(value).get("theirs")
    assert str(error.value) == f"Share 'theirs' is registered as {value}, which {message}"
    assert not isinstance(error.value, UsageError)


def test_errors_that_are_readable_already_are_left_alone(shares: Callable) -> None:
    with pytest.raises(UserError) as error:
        shares("told:x").get("theirs")
    assert str(error.value) == "Do this."


def test_what_is_built_in_and_not_there(shares: Callable) -> None:
    with pytest.raises(UserError) as error:
        shares("their_shares:half").all()
    assert str(error.value) == (
        "Share 'gone' is registered as tests.core.no_such:GONE, which cannot be loaded: No module "
        "named 'tests.core.no_such'. Install the missing package with pip: it is among the "
        "dependencies of lewm-probe."
    )


def test_classes(shares: Callable) -> None:
    assert shares("fractions:Fraction", classes=True).get("theirs") is Fraction
    with pytest.raises(UserError) as error:
        shares("their_shares:half", classes=True).get("theirs")
    assert str(error.value) == (
        "Share 'theirs' is registered as their_shares:half, which is not a subclass of "
        "numbers.Rational. Fix the package that registers it."
    )
