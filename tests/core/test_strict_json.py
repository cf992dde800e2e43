"""What is read; ``tests/hostile/test_checkpoints.py`` has what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lewm_probe.core.errors import UserError
from lewm_probe.core.strict_json import read_json

PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**17), 10**17)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@settings(max_examples=20)
@given(value=PLAIN)
def test_plain_data_comes_back(tmp_path_factory: pytest.TempPathFactory, value: object) -> None:
    path = tmp_path_factory.getbasetemp() / "plain.json"
    path.write_text(json.dumps(value), encoding="utf-8")
    assert read_json(path) == value


def test_brackets_in_words_are_no_depth(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"a": "[{" * 100 + '\\"[' * 100}), encoding="utf-8")
    assert read_json(path) == {"a": "[{" * 100 + '\\"[' * 100}


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        read_json(tmp_path / "a.json")
    assert str(caught.value) == (
        f"{tmp_path}/a.json cannot be read (No such file or directory). Check the path and its "
        "permissions."
    )
