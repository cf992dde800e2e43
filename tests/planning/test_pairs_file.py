from __future__ import annotations

import base64
import json

import numpy as np
import pytest

from lewm_probe.core.errors import UserError
from lewm_probe.planning.pairs import Pairs
from lewm_probe.planning.pairs_file import read_pairs, write_pairs
from lewm_probe.worlds import make_world


@pytest.fixture(scope="module", params=["two-room", "push-t"])
def kept(request, tmp_path_factory, make_pair):
    """The world, pairs of two evaluation seeds, and the file of them."""
    name = request.param
    pairs = [make_pair(name, seed) for seed in (11, 12, 14)]
    made = [
        Pairs(name, 7, "expert", 15, 4, {"released": 1}, 0, tuple(pairs[:2])),
        Pairs(name, 8, "expert", 15, 1, {"released": 0}, 0, tuple(pairs[2:])),
    ]
    path = tmp_path_factory.mktemp("pairs") / f"{name}.json"
    write_pairs(path, made)
    return make_world(name), made, path


def changed(path, tmp_path, change):
    held = json.loads(path.read_text())
    change(held)
    other = tmp_path / "changed.json"
    other.write_text(json.dumps(held))
    return other


def first(held):
    return held["evaluations"][0]["pairs"][0]


def test_pairs_come_back_bit_for_bit(kept):
    world, made, path = kept
    found = read_pairs(path, world)
    assert [one.ids for one in found] == [one.ids for one in made]
    assert [one.hash for one in found] == [one.hash for one in made]
    for there, here in zip(found[0].pairs, made[0].pairs, strict=True):
        for name, values in here.start.items():
            np.testing.assert_array_equal(there.start[name], values)
            assert there.start[name].dtype == values.dtype
    assert (found[0].drawn, found[0].solved) == (4, {"released": 1})


def test_another_worlds_pairs_are_refused(kept):
    world, _, path = kept
    other = make_world("push-t" if world.name == "two-room" else "two-room")
    message = (
        f"The file of pairs {path} is of the world {world.name}, and planning was asked for in "
        f"{other.name}. Give one that was written in this world, or another --world."
    )
    with pytest.raises(UserError) as caught:
        read_pairs(path, other)
    assert str(caught.value) == message


def test_a_changed_file_is_refused(kept, tmp_path):
    world, made, path = kept

    def shift(held):
        array = first(held)["actions"]
        values = np.frombuffer(base64.b64decode(array["base64"]), "<f4").copy()
        values[0] += 0.25
        array["base64"] = base64.b64encode(values.tobytes()).decode()

    other = changed(path, tmp_path, shift)
    with pytest.raises(UserError) as caught:
        read_pairs(other, world)
    text = str(caught.value)
    assert text.startswith(
        f"The file of pairs {other} was changed since it was written: evaluation seed 7 says its "
        f"hash is {made[0].hash}, and what it holds has "
    )
    assert text.endswith(". Fetch the original, or leave --pairs out to draw pairs anew.")


def test_arrays_that_are_not_what_they_say_are_refused(kept, tmp_path):
    world, _, path = kept
    shape = len(first(json.loads(path.read_text()))["before"]["shape"])
    assert shape == 1
    other = changed(path, tmp_path, lambda held: first(held)["before"].update(shape=[11]))
    message = (
        "A file of pairs holds an array of the shape (11,) and type float32, 44 bytes, with 40 "
        "bytes. Fetch the original."
    )
    with pytest.raises(UserError) as caught:
        read_pairs(other, world)
    assert str(caught.value) == message
    other = changed(path, tmp_path, lambda held: first(held)["before"].update(base64="?!"))
    with pytest.raises(UserError, match="^A file of pairs holds an array that is no base64"):
        read_pairs(other, world)


def rehashed(path, tmp_path, world, change):
    """A file that a stranger made with care: its hashes fit what it holds."""
    held = json.loads(path.read_text())
    change(first(held))
    other = tmp_path / "stranger.json"
    other.write_text(json.dumps(held))
    try:
        read_pairs(other, world)
    except UserError as error:
        found = str(error).rpartition(" has ")[2].split(".")[0]
    held["evaluations"][0]["hash"] = found
    other.write_text(json.dumps(held))
    return other


def stored(values: np.ndarray) -> dict:
    return {
        "dtype": str(values.dtype),
        "shape": list(values.shape),
        "base64": base64.b64encode(values.tobytes()).decode(),
    }


@pytest.mark.parametrize(
    ("part", "values", "why"),
    [
        ("contacts", np.full((1, 6), 99.0), "its contacts name shapes beyond the 7 there are"),
        ("contacts", np.zeros((3, 5)), "its 'contacts' is float64 of the shape (3, 5)"),
        ("agent", np.full(19, np.inf), "its 'agent' is not finite"),
        ("agent", np.zeros(19, np.float32)[:3], "its 'agent' is float32 of the shape (3,)"),
    ],
)
def test_states_that_would_crash_the_simulator_are_refused(tmp_path, make_pair, part, values, why):
    world = make_world("push-t")
    path = tmp_path / "pairs.json"
    made = Pairs("push-t", 7, "expert", 15, 1, {"released": 0}, 0, (make_pair("push-t", 11),))
    write_pairs(path, [made])

    def spoil(pair):
        pair["start"][part] = stored(values)
        if part == "contacts" and values.shape == (1, 6):
            pair["start"]["hashes"] = stored(np.array([[1, 2, 3]], np.uint64))
            pair["start"]["lines"] = stored(np.zeros((1, 2, 2, 2)))

    other = rehashed(path, tmp_path, world, spoil)
    with pytest.raises(UserError) as caught:
        read_pairs(other, world)
    assert str(caught.value) == (
        f"This snapshot is no state that push-t can be in: {why}. Take one that the world itself "
        "gave."
    )


def test_what_is_no_file_of_pairs_is_refused(tmp_path):
    path = tmp_path / "pairs.json"
    path.write_text('{"version": 1, "world": "two-room"}')
    with pytest.raises(UserError, match=r"^The file of pairs .*pairs\.json"):
        read_pairs(path, make_world("two-room"))
    path.write_text("not JSON")
    with pytest.raises(UserError, match="is not JSON"):
        read_pairs(path, make_world("two-room"))
