"""Each try ends as it was seen to end: exit code, and all that it says to a person.

``python -m tests.tries.test_tries`` tries everything again and writes what came of it to
``outcomes.yaml``, to be read before it is committed.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from pathlib import Path

import pytest
import yaml
from typer.testing import Result as Answer

from tests.tries.cases import TRIES, Try
from tests.tries.things import make, run

OUTCOMES = Path(__file__).with_name("outcomes.yaml")
KNOWN = yaml.safe_load(OUTCOMES.read_text(encoding="utf-8")) if OUTCOMES.exists() else {}


@pytest.fixture(scope="session")
def things(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("things")
    make(folder)
    return folder


def outcome(answer: Answer, folder: Path) -> dict[str, object]:
    """Exit code, and an error's paragraph; of what ended well its notes and what it wrote."""
    whole = (answer.stderr + answer.stdout).replace(str(folder), "{folder}")
    if answer.exit_code:
        said = answer.stderr.replace(str(folder), "{folder}")
        said = re.sub(r"[0-9a-f]{2}/[0-9a-f]{32}", "HASH", said)
        kept = [said[said.index("Error: ") :]] if "Error: " in said else [said]
    else:
        kept = re.findall(r"^(?:Note: .*|Wrote .*)$", whole, re.MULTILINE)
        kept = [re.sub(r"\d+\.\d+", "N", line) for line in kept]
    return {"code": answer.exit_code, "says": "\n".join(" ".join(line.split()) for line in kept)}


def tried(one: Try, things: Path, folder: Path) -> dict[str, object]:
    """What comes of it in a fresh copy of the things."""
    shutil.copytree(things, folder, symlinks=True)
    one.prepare(folder)
    os.chdir(folder)
    return outcome(run(*[word.replace("{folder}", str(folder)) for word in one.words]), folder)


def test_every_try_has_an_outcome_of_its_own() -> None:
    names = [one.name for one in TRIES]
    assert len(set(names)) == len(names) >= 60
    assert list(KNOWN) == names


@pytest.mark.parametrize("one", TRIES, ids=lambda one: one.name)
def test_it_ends_as_it_was_seen_to_end(
    one: Try, things: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = tried(one, things, tmp_path / "tried")
    assert found == KNOWN[one.name]
    assert found["code"] in (0, 1, 2)
    assert "went wrong inside" not in str(found["says"])
    assert "Traceback" not in str(found["says"])
    left = [str(p) for p in tmp_path.rglob("*") if ".partial" in p.name or p.name.endswith(".old")]
    assert left == []


def _write() -> None:
    os.environ |= {"COLUMNS": "200", "NO_COLOR": "1"}
    with tempfile.TemporaryDirectory() as place:
        things = Path(place) / "things"
        things.mkdir()
        make(things)
        found = {}
        for one in TRIES:
            folder = Path(place) / "tried"
            found[one.name] = tried(one, things, folder)
            os.chdir(place)
            shutil.rmtree(folder)
    text = yaml.safe_dump(found, sort_keys=False, allow_unicode=True, width=100)
    OUTCOMES.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    _write()
