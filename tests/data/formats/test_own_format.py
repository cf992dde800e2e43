"""The example of the README of ``data``, of a package of somebody else's: read, listed, written."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import lewm_probe.data
from lewm_probe.cli.main import app
from lewm_probe.core.errors import UserError
from lewm_probe.data.convert import Converted, convert
from lewm_probe.data.formats.registry import FORMATS, format_of, open_episodes
from lewm_probe.data.sampling.windows import Windows

README = Path(lewm_probe.data.__file__).with_name("README.md").read_text(encoding="utf-8")

pytestmark = pytest.mark.usefixtures("plugin")


@pytest.fixture
def toyset(collected: Path, tmp_path: Path) -> Path:
    assert convert(collected, tmp_path / "a.toyset") == Converted(12, 372, (16, 16))
    return tmp_path / "a.toyset"


def test_it_is_small_and_what_the_readme_shows(plugin: Path) -> None:
    code = (plugin / "data_format.py").read_text(encoding="utf-8")
    assert len(code.splitlines()) < 60
    assert code in re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    (line,) = re.findall(r"```toml\n(.*?)```", README, re.DOTALL)
    assert line in (plugin.parent / "pyproject.toml").read_text(encoding="utf-8")


def test_it_is_known_by_name_and_asked_first(toyset: Path, tmp_path: Path) -> None:
    assert FORMATS.origin("toyset") == "toy-lewm-probe"
    assert format_of(tmp_path / "not-there.toyset")[0] == "toyset"
    assert format_of(toyset.rename(tmp_path / "without-suffix"))[0] == "toyset"  # by what is in it
    assert format_of(tmp_path / "another")[0] == "folder"


def test_it_holds_what_it_was_made_from(collected: Path, toyset: Path, tmp_path: Path) -> None:
    convert(toyset, tmp_path / "back.h5")
    with open_episodes(collected) as one, open_episodes(toyset) as two:
        assert type(two).__module__ == "toy_lewm_probe.data_format"
        with open_episodes(tmp_path / "back.h5") as three:
            assert {*two.columns, "ep_idx"} == {*one.columns} == {*three.columns}
            assert one.attrs == two.attrs == three.attrs
            assert one.fingerprint == three.fingerprint
            for name in two.columns:
                for data in (two, three):
                    np.testing.assert_array_equal(data.read(name), one.read(name))
        found = [Windows(data, range(len(data)), 4, 5).batch([0, 7, 80]) for data in (one, two)]
        for name, values in found[0].items():
            np.testing.assert_array_equal(found[1][name], values)


def test_commands_take_it(toyset: Path, tmp_path: Path) -> None:
    for words in (
        ["info", str(toyset)],
        ["check", str(toyset)],
        ["convert", str(toyset), str(tmp_path / "b.toyset"), "--episodes", "0:2", "--size=8"],
    ):
        answer = CliRunner().invoke(app, ["data", *words, "--quiet"])
        assert answer.exit_code == 0, answer.output
    with open_episodes(tmp_path / "b.toyset") as data:
        assert (len(data), data.image_size, data.world) == (2, 8, "two-room")


def test_only_one_of_its_kind_is_replaced(collected: Path, toyset: Path, tmp_path: Path) -> None:
    convert(collected, toyset, episodes=(0, 2), overwrite=True)
    with open_episodes(toyset) as data:
        assert len(data) == 2
    other = tmp_path / "thesis.toyset"
    other.mkdir()
    (other / "thesis.tex").write_text("dear")
    with pytest.raises(UserError) as error:
        convert(collected, other, overwrite=True)
    assert str(error.value) == (
        f"{other} is not a data set of that kind, and is not replaced. Choose another name."
    )
    assert (other / "thesis.tex").read_text() == "dear"


@pytest.mark.parametrize("harm", [Path.unlink, lambda file: file.write_bytes(b"PK\x03\x04")])
def test_damaged_it_is_told_so(toyset: Path, harm: Callable[[Path], object]) -> None:
    for file in toyset.glob("*.npz"):
        harm(file)
    with pytest.raises(UserError) as error:
        open_episodes(toyset)
    assert str(error.value) == f"{toyset} is no toyset that can be read. Convert it again."
