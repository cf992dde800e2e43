from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lewm_probe.core.errors import UsageError, UserError
from lewm_probe.data.formats.folder.table import read_table

BAD = (
    "{path} does not describe a folder of episodes: {what}. lewm_probe/data/README.md shows how it "
    "has to look."
)


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., Path]:
    def make(table: str, **others: str) -> Path:
        (tmp_path / "episodes.csv").write_text(table, encoding="utf-8")
        for name, text in others.items():
            (tmp_path / f"{name}.yaml").write_text(text, encoding="utf-8")
        return tmp_path

    return make


def test_fields_become_columns(folder: Callable) -> None:
    table = read_table(
        folder(
            "\ufeffepisode,step,action_0,pos_x,pos_y,q_0,q_1,q_2,reward,speed_y\r\n"
            'a,0,0.5,1,2,3,4,5,6,7\r\n"a",1,nan,1,2,3,4,5,6,7\r\n07,0,-1e-3,1,2,3,4,5,,7\r\n'
        )
    )
    assert table.names == ("a", "07")
    assert table.lengths.tolist() == [2, 1]
    shapes = {name: values.shape for name, values in table.columns.items()}
    assert shapes == {"action": (3, 1), "pos": (3, 2), "q": (3, 3), "reward": (3,), "speed_y": (3,)}
    assert table.columns["action"].dtype == np.float32
    assert table.columns["action"][2, 0] == np.float32(-1e-3)
    assert np.isnan(table.columns["reward"][2])
    assert table.columns["q"].dtype == np.float64


def test_a_description_gives_types_and_shapes(folder: Callable) -> None:
    table = read_table(
        folder(
            "episode,step,action_0,m_0,m_1,m_2,m_3,n_0\na,0,1,0,1,2,3,9007199254740993\n",
            dataset="attrs: {world: my-arm, seed: 3}\nepisode_column: episode_idx\ncolumns:\n"
            "  m: {dtype: float32, shape: [2, 2]}\n  n_0: {dtype: int64}\n",
            quantities="m: {unit: m}\n",
        )
    )
    assert table.columns["m"].tolist() == [[[0, 1], [2, 3]]]
    assert table.columns["m"].dtype == np.float32
    assert table.columns["n_0"].tolist() == [9007199254740993]  # 2^53 + 1, no float64
    assert table.description.episode_column == "episode_idx"
    assert table.attrs == {"world": "my-arm", "seed": 3, "quantities": '{"m": {"unit": "m"}}'}


HEAD = "episode,step,action_0\n"


@pytest.mark.parametrize(
    ("table", "what"),
    [
        ("", "it lacks episode, step, action_0 (found: nothing)"),
        ("a,b\n1,2\n", "it lacks episode, step, action_0 (found: a, b)"),
        ("episode,step,action_1\n", "it lacks action_0 (found: episode, step, action_1)"),
        ("episode,step,action_0,action_0\n", "the field 'action_0' stands twice"),
        (
            "episode,step,action_0,action_2\na,0,1,2\n",
            "the fields action_0 … do not lead up to 'action_2'",
        ),
        (
            "episode,step,action_0,pixels\na,0,1,2\n",
            "the column 'pixels', from the field 'pixels', is taken",
        ),
        (
            "episode,step,action_0,a_x,a_0\na,0,1,2,3\n",
            "the column 'a', from the field 'a_0', is taken",
        ),
        (HEAD, "it has no lines"),
        (HEAD + "a,0,1\na,2,1\n", "line 3 is step 2 of episode 'a', where step 1 should stand: "
         "steps count from 0 without a gap"),
        (HEAD + "a,0,1\nb,0,1\na,1,1\n", "the lines of episode 'a' do not stand together"),
        (HEAD + "a,,1\n", "the field 'step' is empty in 1 lines"),
        (HEAD + "../../etc,0,1\n", "'../../etc' is no name for an episode (letters, digits, '_', "
         "'-' and '.', the first a letter or digit)"),
        (HEAD + "a,0,=1+1\n", "some field is not a number, or lines differ in length (In CSV "
         "column #2: Row #2: CSV conversion error to double: invalid value '=1+1')"),
        (HEAD + "a,0,1,2\n", "some field is not a number, or lines differ in length (CSV parse "
         "error: Row #2: Expected 3 columns, got 4: a,0,1,2)"),
    ],
)  # fmt: skip
def test_a_faulty_table(folder: Callable, table: str, what: str) -> None:
    path = folder(table)
    with pytest.raises(UserError) as error:
        read_table(path)
    assert str(error.value) == BAD.format(path=path / "episodes.csv", what=what)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "dataset",
            "columns: {pos: {dtype: float32, shape: [2]}}",
            BAD.format(
                path="FOLDER/episodes.csv",
                what="dataset.yaml promises the field 'pos_0', which is not there",
            ),
        ),
        (
            "dataset",
            "columns: {action: {dtype: float32, shape: [99999, 99999]}}",
            BAD.format(
                path="FOLDER/dataset.yaml", what="the column 'action' has 9999800001 fields"
            ),
        ),
        (
            "dataset",
            "columns: {action: {dtype: float32, shape: [-1, -1]}}",
            "FOLDER/dataset.yaml: 'columns.action.shape.0' is -1. Input should be greater than or "
            "equal to 1. Fix this value.",
        ),
        (
            "dataset",
            "columns: {action: {dtype: int32, shape: [1]}}",
            BAD.format(
                path="FOLDER/episodes.csv",
                what="dataset.yaml describes no action of one axis, float",
            ),
        ),
        (
            "quantities",
            "tip: {units: m}",
            "FOLDER/quantities.yaml has an unknown key 'quantities.tip.units'. Did you mean "
            "'unit'? Known keys there: axes, column, first, kind, symmetry, unit.",
        ),
        (
            "quantities",
            "tip: {kind: colour}",
            "FOLDER/quantities.yaml: 'quantities.tip.kind' is 'colour'. Input should be "
            "'position', 'velocity' or 'angle'. Fix this value.",
        ),
        (
            "quantities",
            "a: &a {unit: m}\nb: *a",
            "FOLDER/quantities.yaml is not a YAML file that can be read (ConstructorError: aliases "
            "(*name) can unfold without end; write the value out). Fix its syntax.",
        ),
        (
            "quantities",
            "a: !!python/object/apply:os.system [ls]",
            "FOLDER/quantities.yaml is not a YAML file that can be read (ConstructorError: could "
            "not determine a constructor for the tag "
            "'tag:yaml.org,2002:python/object/apply:os.system'). Fix its syntax.",
        ),
        (
            "dataset",
            "columns: {action: {dtype: object, shape: [1]}}",
            "FOLDER/dataset.yaml: 'columns.action.dtype' is 'object'. String should match pattern "
            "'^(bool|float(16|32|64)|u?int(8|16|32|64))$'. Fix this value.",
        ),
    ],
)
def test_a_faulty_description(folder: Callable, name: str, text: str, message: str) -> None:
    path = folder(HEAD + "a,0,1\n", **{name: text})
    with pytest.raises((UserError, UsageError)) as error:
        read_table(path)
    assert str(error.value) == message.replace("FOLDER", str(path))


def test_no_table(tmp_path: Path) -> None:
    with pytest.raises(UserError) as error:
        read_table(tmp_path)
    assert str(error.value) == (
        f"{tmp_path / 'episodes.csv'} does not exist. A folder data set has episodes.csv and, for "
        "each episode in it, a folder of images <episode>/000000.png … or a video <episode>.mp4; "
        "lewm_probe/data/README.md shows one."
    )
