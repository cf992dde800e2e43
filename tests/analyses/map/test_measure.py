from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from lewm_probe.analyses.engine.asked.checkpoint import checkpoint_from_model
from lewm_probe.analyses.engine.remembered.latent_cache import LatentCache
from lewm_probe.analyses.engine.run import run
from lewm_probe.analyses.map.places import bodies_of, grid_of
from lewm_probe.analyses.map.report.part import REPORT
from lewm_probe.analyses.map.report.stored import stored_map
from lewm_probe.analyses.map.settings import MapSettings
from lewm_probe.core.errors import UsageError, UserError
from lewm_probe.reports.results_view import views
from lewm_probe.results.analyses import ANALYSES, Option
from lewm_probe.results.result import Result
from lewm_probe.worlds import make_world
from lewm_probe.worlds.base import World
from lewm_probe.worlds.two_room.env import TwoRoom
from lewm_probe.worlds.two_room.floor import HIGH, LOW, is_free


def pick(result, metric, **keys):
    wanted = {"metric": metric, "control": None, "method": None, **keys}
    (found,) = [m for m in result.metrics if all(getattr(m, k) == v for k, v in wanted.items())]
    return found


@pytest.fixture(scope="module")
def asked(suite):
    return suite.model_copy(update={"map": MapSettings(grid=10, neighbours=8, perplexity=12.0)})


@pytest.fixture(scope="module")
def result(oracle, make_lewm, asked):
    checkpoints = [oracle, checkpoint_from_model("lewm", make_lewm())]
    return run("map", checkpoints, asked, cache=LatentCache())


def test_the_grid_is_what_the_world_accepts_of_a_square_one():
    world = make_world("two-room")
    grid = grid_of(world, "agent", 12, 16, seed=3)
    free = is_free(*grid.places.T)
    assert free.all() and grid.unit == "px"
    assert len(grid.places) + grid.refused == 12 * 12
    # A row of the wall's two columns of places, but for the door.
    assert 0 < grid.refused < 24
    xs, ys = (np.unique(axis.round(6)) for axis in grid.places.T)
    step = np.diff(xs)
    np.testing.assert_allclose([*step, *np.diff(ys)], step[0], rtol=1e-6)
    reach = (HIGH - LOW) / 11
    assert step[0] == pytest.approx(reach, rel=0.01)
    for place, picture in zip(grid.places[::20], grid.pixels[::20], strict=True):
        world.reset(seed=0, options={"agent": place.tolist()})
        np.testing.assert_array_equal(world.render(16), picture)


def test_of_several_bodies_only_one_is_moved():
    world = make_world("push-t")
    grid = grid_of(world, "agent", 5, 32, seed=3)
    assert grid.refused + len(grid.places) == 25
    changed = [(a != b).any(axis=-1).mean() for a, b in pairwise(grid.pixels)]
    assert 0 < max(changed) < 0.05  # two discs


def test_an_oracle_of_the_place_keeps_all_neighbours(result):
    at = {"model": "oracle", "subject": "agent"}
    kept = pick(result, "neighbourhood_overlap", **at)
    assert kept.value > 0.9 and pick(result, "trustworthiness", **at).value > 0.99
    assert pick(result, "neighbourhood_overlap", method="pca", **at).value == pytest.approx(
        kept.value, abs=0.02
    )  # its latents have two axes
    assert pick(result, "pca_variance_share", method="pca", **at).value == pytest.approx(1)
    chance = pick(result, "neighbourhood_overlap", control="chance", **at).value
    assert 8 / (kept.n - 1) <= chance < 0.2
    assert kept.ci_low is None and kept.higher_is_better
    assert pick(result, "trustworthiness", model="lewm", subject="agent").n == kept.n


def test_controls_are_there_for_both_models(result):
    controls = {m.control for m in result.metrics if m.model == "lewm"}
    assert controls == {None, "random_weights", "pixel_space", "chance"}
    pixels = [
        pick(result, "trustworthiness", model=m, subject="agent", control="pixel_space").value
        for m in ("oracle", "lewm")
    ]
    assert pixels[0] == pixels[1] > 0.6
    assert result.provenance[0].notes == [
        "oracle: the control random_weights is missing, because this kind of model cannot be built "
        "anew with random weights."
    ]


def test_places_come_back_from_rows(result, tmp_path):
    result.save(tmp_path)
    (view,) = views(Result.load(tmp_path))
    found = stored_map(view, "agent")
    assert found is not None
    assert [one.title for one in found.layouts] == ["LeWM", "oracle", "Random weights", "Pixels"]
    n = pick(result, "trustworthiness", model="lewm").n
    assert {len(p) for one in found.layouts for p in one.points.values()} == {n}
    assert len(found.places) == n and is_free(*found.places.T).all()
    (section,) = REPORT.sections(view)
    (plot,), (table,) = section.plots, section.tables
    figure = plot.draw(3.3)
    assert len(figure.axes) == 12
    assert f"{n} places" in plot.caption and "perplexity 12" in plot.caption
    assert f"n = {n}, k = 8" in table.table.caption
    shown = [row.cells["model"].text for row in table.table.rows]
    assert shown == ["LeWM", "oracle", "LeWM, random weights", "Pixels", "Chance"]


def test_same_suite_same_numbers(oracle, asked, result):
    again = run("map", [oracle], asked, cache=LatentCache())
    assert list(again.metrics) == [m for m in result.metrics if m.model == "oracle"]


def test_collapse_is_chance_and_has_no_view(doubles, asked):
    flat = checkpoint_from_model("flat", doubles["constant"]())
    found = run("map", [flat], asked, cache=LatentCache())
    for metric in ("neighbourhood_overlap", "trustworthiness"):
        own, chance = (pick(found, metric, control=c).value for c in (None, "chance"))
        assert own == pytest.approx(chance)
    assert not [m for m in found.metrics if m.method and m.control is None]
    assert found.provenance[0].notes[0] == (
        "flat: its latents are the same for all places of agent up to rounding, so that there are "
        "no views of them and neighbours are what chance has."
    )


def test_patch_tokens_are_averaged(doubles, asked):
    class Tokens(doubles["oracle"]):
        def __init__(self):
            super().__init__("tokens")
            self.spec = replace(self.spec, tokens=3)

        def encode(self, observation):
            own = super().encode(observation)[:, :, None]
            return own * 1.5 + own.new_tensor([[0.0], [7.0], [2.0]])

    found = run("map", [checkpoint_from_model("tokens", Tokens())], asked, cache=LatentCache())
    assert pick(found, "trustworthiness").value > 0.99


def test_too_few_places(oracle, asked):
    small = asked.model_copy(update={"map": MapSettings(grid=4)})
    with pytest.raises(UsageError) as error:
        run("map", [oracle], small, cache=LatentCache())
    assert str(error.value) == (
        "two-room accepts 16 places of 'agent' on a grid of 4, too few for 8 neighbours (more than "
        "16 places) and a perplexity of 30 (more than as many). Raise --grid, or lower "
        "--neighbours or --perplexity."
    )


def test_a_body_that_is_not_there(oracle, asked):
    other = asked.model_copy(update={"map": MapSettings(bodies=("block",))})
    with pytest.raises(UsageError) as error:
        run("map", [oracle], other, cache=LatentCache())
    assert str(error.value) == "Unknown body 'block'. Known: agent."


class Fixed(TwoRoom):
    """Has a body and no teleport."""

    teleport = World.teleport


class Elsewhere(TwoRoom):
    """Does not put the agent where it is told."""

    def teleport(self, who, rng, distance=None, *, origin=None, away_from=None):
        super().teleport(who, rng)


def test_a_world_without_teleport():
    with pytest.raises(UsageError) as error:
        grid_of(Fixed(), "agent", 6, 16, seed=0)
    assert str(error.value) == (
        "A map puts bodies at given places, and the world two-room does not offer to teleport "
        "'agent'. Leave the analysis map out, name other bodies in the suite's map.bodies or with "
        "--body, or give the world's class a method teleport()."
    )


def test_a_world_that_teleports_elsewhere():
    with pytest.raises(UserError, match=r"^The world two-room was asked to put 'agent' at \[") as e:
        grid_of(Elsewhere(), "agent", 6, 16, seed=0)
    assert str(e.value).endswith(
        "Let its method teleport() put a body at the distance asked for from origin, or raise a "
        "UserError."
    )


def test_worlds_without_anything_to_move():
    class Empty(TwoRoom):
        bodies = ()

    class Recorded(TwoRoom):
        replays = True

    with pytest.raises(UsageError) as error:
        bodies_of(Empty(), ())
    assert str(error.value) == (
        "A map moves bodies about, and the world two-room has none. Leave the analysis map out, or "
        "name them in the world's bodies and give its class a method teleport()."
    )
    with pytest.raises(UsageError) as error:
        bodies_of(Recorded(), ())
    assert str(error.value) == (
        "A map moves bodies about, and two-room holds recorded episodes without a simulator. Leave "
        "the analysis map out, or ask it in the simulated world with --world."
    )


@pytest.mark.parametrize("name", ["map", "decode"])
def test_flags_say_what_the_settings_say(name):
    """They are written out, so that --help need not import the schema."""
    analysis = ANALYSES.get(name)
    fields = analysis.load("settings").model_fields
    for flag, option in analysis.options.items():
        assert isinstance(option, Option), flag
        field = fields[option.key]
        assert option.help == field.description
        plain = {"int | None": "int"}.get(str(field.annotation))
        kind = option.kind
        if kind == list[str] or kind == list[int]:
            assert str(field.annotation).startswith("tuple[")
        else:
            assert field.annotation is kind or plain == kind.__name__
