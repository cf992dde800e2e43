from __future__ import annotations

import numpy as np
import pytest

from lewm_probe.analyses.engine.asked.trajectories import collect_trajectories
from lewm_probe.analyses.voe.conditions.color import mixed
from lewm_probe.analyses.voe.settings import Condition
from lewm_probe.analyses.voe.shown import matched_pairs as cases_module
from lewm_probe.analyses.voe.shown.matched_pairs import (
    MatchedPairs,
    Stimuli,
    draw_onsets,
)
from lewm_probe.core.errors import UsageError, UserError
from lewm_probe.core.seeding import stream
from lewm_probe.worlds import make_world
from lewm_probe.worlds.two_room.env import TwoRoom


def positions(cases: MatchedPairs, name: str) -> np.ndarray:
    """Where a condition puts the agent, read from its images (N, T, 2), in px."""
    pixels = cases.condition(name)[0]
    return positions_of(pixels.reshape(-1, *pixels.shape[2:])).reshape(*pixels.shape[:2], 2)


def test_teleport_by_hand(cases):
    """One case simulated from the start by the world's own interface."""
    world = make_world("two-room")
    world.reset(seed=0)
    at, size = int(cases.onset[0]), cases.reference.size
    world.restore(cases.reference.snapshots[0][0])
    frames = [world.render(size)]
    for t in range(cases.reference.frames - 1):
        for action in cases.reference.actions[0, t].reshape(5, 2):
            world.step(action)
        if t == at - 1:
            world.teleport("agent", stream(cases._seed, "voe", "teleport_agent", 0))
        frames.append(world.render(size))
    np.testing.assert_array_equal(cases.condition("teleport_agent")[0][0], frames)


def test_teleports_land_anywhere(cases):
    after = positions(cases, "teleport_agent")[np.arange(len(cases)), cases.onset]
    true = cases.reference.state["agent_position"][np.arange(len(cases)), cases.onset]
    assert np.median(np.linalg.norm(after - true, axis=1)) > 40
    assert after.std(axis=0).min() > 25


def test_step_teleport_is_an_ordinary_step_the_wrong_way(cases):
    changed = cases.changed("step_teleport_agent")
    kept = changed.kept
    rows, at = np.flatnonzero(kept), changed.onset[kept]
    state = cases.reference.state["agent_position"]
    before, true = state[rows, at - 1], state[rows, at]
    wrong = positions(cases, "step_teleport_agent")[rows, at] - before
    step = true - before
    np.testing.assert_allclose(
        np.linalg.norm(wrong, axis=1), np.linalg.norm(step, axis=1), atol=0.6
    )
    cosine = (wrong * step).sum(1) / np.linalg.norm(wrong, axis=1) / np.linalg.norm(step, axis=1)
    assert (cosine < 0.05).all()


def test_a_frozen_agent_first_fails_to_move_at_the_onset(cases):
    seen = positions(cases, "frozen_agent")
    changed = cases.changed("frozen_agent")
    for case in np.flatnonzero(changed.kept):
        at = changed.onset[case]
        np.testing.assert_allclose(
            seen[case, at:], np.broadcast_to(seen[case, at - 1], seen[case, at:].shape), atol=1e-6
        )


def test_recolouring_moves_nothing(cases):
    np.testing.assert_allclose(
        positions(cases, "color_agent"), cases.reference.state["agent_position"], atol=0.5
    )


def test_action_swap_gives_another_trajectorys_blocks(cases):
    changed = cases.changed("action_swap")
    assert len(changed.pixels) == 0
    assert sorted(cases.action_sources) == list(range(len(cases)))
    assert (cases.action_sources != np.arange(len(cases))).all()
    reference = cases.reference.actions
    for case, at in enumerate(cases.onset):
        np.testing.assert_array_equal(changed.actions[case, : at - 1], reference[case, : at - 1])
        donor = reference[cases.action_sources[case]]
        np.testing.assert_array_equal(changed.actions[case, at - 1 :], donor[at - 1 :])


def test_noise_is_fresh_in_every_frame(cases):
    pixels = cases.condition("pixel_noise")[0].astype(int)
    grain = pixels - cases.reference.pixels
    last = grain[:, -2:].reshape(len(cases), 2, -1)
    assert (last[:, 0] != last[:, 1]).any(axis=1).all()


def test_other_image_sizes_show_the_same_cases(cases):
    small = cases.at_size(32)
    np.testing.assert_array_equal(small.onset, cases.onset)
    np.testing.assert_allclose(
        positions(small, "teleport_agent"), positions(cases, "teleport_agent"), atol=1.5
    )
    assert cases.at_size(cases.reference.size) is cases


def test_impossible_interventions_are_left_out(cases, monkeypatch):
    def nowhere(self, who, rng, distance=None, **where):
        if rng.random() < 0.5:
            raise UserError("No free place.")
        teleport(self, who, rng, distance, **where)

    teleport = TwoRoom.teleport
    monkeypatch.setattr(TwoRoom, "teleport", nowhere)
    changed = cases.changed("teleport_agent")
    assert 0 < changed.kept.sum() < len(cases)
    assert set(changed.case) == set(np.flatnonzero(changed.kept))
    assert len(changed.pixels) == len(changed.case)
    pixels = cases.condition("teleport_agent")[0]
    np.testing.assert_array_equal(pixels[~changed.kept], cases.reference.pixels[~changed.kept])


def event(cases: MatchedPairs, kind: str, **more) -> Stimuli:
    asked = Condition(name=kind, kind=kind, who="agent", expected="violation", **more)
    return cases.dosed(asked)


def test_fast_forward_shows_a_place_of_the_trajectory_too_early(cases):
    """The agent is an equal distance away, and its way from there goes on as recorded."""
    changed = event(cases, "fast_forward", dose=0.1)
    assert changed.kept.mean() > 0.3
    assert len(changed.pixels) == changed.kept.sum()  # frame t0 alone
    world = make_world("two-room")
    state = cases.reference.state["agent_position"]
    for row, case in enumerate(changed.case):
        at = changed.onset[case]
        world.restore(cases.reference.snapshots[case][at])
        for action in cases.reference.actions[case, at:].reshape(-1, 2):
            world.step(action)
            gone = np.linalg.norm(world.position("agent") - state[case, at])
            if gone >= 0.1 * world.arena:
                break
        assert 0.1 * world.arena <= gone < 0.1 * world.arena + 7.1  # one step over, at most
        np.testing.assert_array_equal(changed.pixels[row], world.render(cases.reference.size))


def test_an_agent_passes_through_the_wall_where_it_met_it(cases):
    changed = event(cases, "pass_through")
    world = make_world("two-room")
    for case in np.flatnonzero(changed.kept):
        at = changed.onset[case]
        world.restore(cases.reference.snapshots[case][at - 1])
        world.pass_through("agent")
        for action in cases.reference.actions[case, at - 1].reshape(5, 2):
            world.step(action)
        off = world.position("agent") - cases.reference.state["agent_position"][case, at]
        assert np.linalg.norm(off) >= 0.01 * world.arena
        row = int(np.flatnonzero(changed.case == case)[0])
        np.testing.assert_array_equal(changed.pixels[row], world.render(cases.reference.size))
    others = np.flatnonzero(~changed.kept)
    assert len(others) < len(cases)


def test_a_teleport_of_given_dose_is_that_far(cases):
    asked = Condition(name="t", kind="teleport", who="agent", dose=0.2, expected="violation")
    seen = cases.dosed(asked)
    here = cases.reference.state["agent_position"][np.arange(len(cases)), cases.onset]
    there = positions_of(seen.pixels)
    away = np.linalg.norm(there - here[seen.case], axis=1)
    np.testing.assert_allclose(away, 0.2 * TwoRoom.arena, atol=0.6)
    np.testing.assert_array_equal(seen.onset, cases.onset)


def test_a_colour_goes_part_of_the_way(cases):
    assert mixed((255, 0, 0), (0, 0, 255), 0.25) == (191, 0, 64)
    assert mixed((255, 0, 0), (0, 0, 255), 1.0) == (0, 0, 255)
    asked = Condition(
        name="c", kind="color", who="agent", rgb=(0, 0, 255), dose=0.25, expected="appearance"
    )
    seen = cases.dosed(asked).pixels.astype(int)
    world = make_world("two-room")
    world.restore(cases.reference.snapshots[0][cases.onset[0]])
    world.recolor("agent", (191, 0, 64))
    np.testing.assert_array_equal(seen[0], world.render(cases.reference.size))


def test_a_block_can_be_frozen_and_passed_through_where_it_is_pushed():
    reference = collect_trajectories(
        "push-t", 6, 12, size=32, seed=1, purpose="events", policy="expert"
    )
    cases = MatchedPairs(reference, np.full(6, 4), [], seed=0)
    world = make_world("push-t")
    for kind in ("frozen", "pass_through", "step_teleport"):
        asked = Condition(name=kind, kind=kind, who="block", expected="violation")
        changed = cases.dosed(asked)
        assert changed.kept.sum() >= 1
        for row, case in enumerate(changed.case):
            at = changed.onset[case]
            block = reference.state["block_position"][case]
            if kind == "step_teleport":
                assert np.linalg.norm(block[at] - block[at - 1]) >= 0.01 * world.arena
            world.restore(reference.snapshots[case][at])
            assert (changed.pixels[row] != world.render(32)).any()


def positions_of(pixels: np.ndarray) -> np.ndarray:
    """The agent's place in images (M, H, W, C), px of the 224 px image (M, 2)."""
    coloured = pixels.astype(float).max(-1) - pixels.astype(float).min(-1)
    centres = (np.arange(pixels.shape[1]) + 0.5) * 224 / pixels.shape[1] - 0.5
    mass = coloured.sum((-1, -2))
    x = (coloured.sum(-2) * centres).sum(-1) / mass
    return np.stack([x, (coloured.sum(-1) * centres).sum(-1) / mass], -1)


def test_the_sham_check_catches_a_world_with_hidden_state(monkeypatch):
    """A world that forgets part of its state in snapshot() gives other images when replayed."""
    reference = collect_trajectories("two-room", 3, 8, size=16, seed=2, purpose="sham")

    class Drifting(TwoRoom):
        steps = 0

        def step(self, action):
            self.steps += 1
            return super().step(action * (1 if self.steps < 14 else 0))

    monkeypatch.setattr(cases_module, "make_world", lambda name: Drifting())
    with pytest.raises(UserError) as error:
        MatchedPairs(reference, np.array([3, 3, 3]), [], seed=0)
    assert str(error.value) == (
        f"The world two-room failed the sham check: simulating trajectory {reference.ids[0]} "
        "again, with its state saved and restored at frame 3, gives another image at frame 3. "
        "Matched cases need a deterministic world whose snapshot() holds its whole state."
    )


def test_onsets_are_uniform_over_what_leaves_room():
    onset = draw_onsets(4000, frames=20, history=3, seed=0)
    values, counts = np.unique(onset, return_counts=True)
    assert values.tolist() == list(range(3, 14))  # 3 before, and 6 after: 13 + 6 = 19, the last
    assert counts.min() > 0.75 * 4000 / 11


def test_trajectories_too_short_for_the_history():
    assert draw_onsets(5, frames=10, history=3, seed=0).tolist() == [3] * 5
    with pytest.raises(UserError) as error:
        draw_onsets(5, frames=9, history=3, seed=0)
    assert str(error.value) == (
        "Trajectories of 9 frames are too short for models that see 3: an intervention needs 3 "
        "frames before it and 6 after, 10 in all. Raise voe.frames in the suite."
    )


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        (
            {"kind": "teleport", "who": "agnet"},
            "Unknown body 'agnet'. Did you mean 'agent'? Known: agent.",
        ),
        (
            {"kind": "color", "who": "blackground", "rgb": (0, 0, 0)},
            "Unknown body or scenery 'blackground'. Did you mean 'background'? "
            "Known: agent, background, wall.",
        ),
    ],
)
def test_unknown_bodies(cases, condition, message):
    asked = Condition(name="x", expected="violation", **condition)
    with pytest.raises(UsageError) as error:
        MatchedPairs(cases.reference, cases.onset, [asked], seed=0)
    assert str(error.value) == message


def test_unknown_condition(cases):
    with pytest.raises(UsageError) as error:
        cases.changed("teleport_agnet")
    assert str(error.value) == (
        "Unknown condition 'teleport_agnet'. Did you mean 'teleport_agent'? Known: action_swap, "
        "background_color, blur, brightness, color_agent, frozen_agent, pixel_noise, "
        "step_teleport_agent, teleport_agent."
    )
