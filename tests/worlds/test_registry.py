from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest

from lewm_probe.core import registry
from lewm_probe.core.errors import UsageError, UserError
from lewm_probe.worlds import World, make_world, world_names
from lewm_probe.worlds.registry import WORLDS, register_world
from lewm_probe.worlds.two_room.env import TwoRoom


def register(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    entry = EntryPoint(name, value, WORLDS.group)
    monkeypatch.setattr(registry, "_installed", lambda group, path: {WORLDS.group: (entry,)}[group])


def test_two_room_by_name() -> None:
    world = make_world("two-room")
    assert type(world) is TwoRoom
    assert isinstance(world, World)
    assert "two-room" in world_names()
    assert list(world_names()) == sorted(world_names())


def test_every_world_is_made_and_knows_its_name() -> None:
    for name in world_names():
        assert make_world(name).name == name


def test_cards_say_how_papers_write_a_world() -> None:
    labels = {name: world.card and world.card.label for name, world in WORLDS.all().items()}
    assert labels == {"push-t": "Push-T", "push-t-gym": None, "two-room": "TwoRoom"}


def test_unknown_world_answers_with_the_nearest_name() -> None:
    with pytest.raises(UsageError) as error:
        make_world("two-rooms")
    known = ", ".join(world_names())
    assert str(error.value) == (
        f"Unknown world 'two-rooms'. Did you mean 'two-room'? Known: {known}."
    )


def test_third_parties_join_by_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch, "my-maze", "lewm_probe.worlds.two_room.env:TwoRoom")
    assert "my-maze" in world_names()
    assert isinstance(make_world("my-maze"), TwoRoom)


def test_built_in_names_cannot_be_taken_over(monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch, "two-room", "nowhere:Nothing")
    assert type(make_world("two-room")) is TwoRoom


def test_an_entry_point_that_is_no_world(monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch, "my-maze", "lewm_probe.core.errors:UserError")
    with pytest.raises(UserError) as error:
        make_world("my-maze")
    assert str(error.value) == (
        "World 'my-maze' is registered as lewm_probe.core.errors:UserError, which is not a "
        "subclass of lewm_probe.worlds.base.World. Fix the package that registers it."
    )


def test_a_shipped_world_whose_simulator_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(WORLDS._built_in, "push-t", "no_such_simulator:PushT")
    with pytest.raises(UserError) as error:
        make_world("push-t")
    assert str(error.value) == (
        "World 'push-t' is registered as no_such_simulator:PushT, which cannot be loaded: No "
        "module named 'no_such_simulator'. Install the missing package with pip: it is among the "
        "dependencies of lewm-probe."
    )


class Elsewhere(TwoRoom):
    """A world of this process."""

    name = "elsewhere"


def test_a_world_of_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(WORLDS, "_own", {})
    register_world("elsewhere", Elsewhere)
    register_world("elsewhere", Elsewhere)  # the same one again changes nothing
    assert type(make_world("elsewhere")) is Elsewhere
    assert "elsewhere" in world_names()
    for name, world in (("elsewhere", TwoRoom), ("two-room", Elsewhere)):
        with pytest.raises(UsageError) as error:
            register_world(name, world)
        assert str(error.value) == (
            f"The name '{name}' belongs to another world already; results under one name must mean "
            "the same world. Give another name."
        )
    assert type(make_world("two-room")) is TwoRoom
