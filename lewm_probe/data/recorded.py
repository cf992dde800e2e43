"""Recorded episodes replayed as a world, so that data without a simulator can be audited.

``step`` goes on to the next row whatever the action, so a recorded world can be asked and
photographed but not disturbed: it has no bodies, and conditions that need a teleport, a colour or a
freeze are not offered. Violations made of images (brightness, blur, noise) and of actions
(``action_swap``: true images, another trajectory's actions) are.

Trajectories for different purposes never share an episode. All episodes are put in a random order
that the evaluation seed decides and dealt out by a fixed pattern, before anybody looks at lengths;
episodes that are too short for what is asked are then passed over. So an episode's purpose depends
on nothing but the seed and the data set's number of episodes.

>>> data = open_episodes("tests/golden/released_layout.h5")
>>> world = recorded_world("golden", Recording(data))()
>>> _ = world.reset(seed=0, options={"episode": 0})
>>> world.render(16).shape, sorted(world.physical_state())
((16, 16, 3), ['proprio'])
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np

from lewm_probe.core.errors import UsageError, UserError, unknown_name
from lewm_probe.core.files import content_hash
from lewm_probe.core.seeding import stream
from lewm_probe.data.episodes import Episodes
from lewm_probe.data.formats.hdf5.layout import LARGEST_IMAGE
from lewm_probe.data.formats.images import resized
from lewm_probe.data.formats.registry import open_episodes
from lewm_probe.data.quantities import Source, data_quantities
from lewm_probe.worlds import world_names
from lewm_probe.worlds.base import Policy, Snapshot, World
from lewm_probe.worlds.registry import register_world, worlds_of_this_process

SHARES: Mapping[str, int] = {
    "probe-train": 4,
    "probe-validation": 1,
    "probe-test": 2,
    "voe": 2,
    "disjoint": 2,
}
"""Episodes of each purpose among every 11: the protocol's 400 / 100 / 200 and 200 / 200."""
LEAST: Mapping[str, int] = {
    "probe-train": 10,
    "probe-validation": 5,
    "probe-test": 5,
    "voe": 4,
    "disjoint": 4,
}
"""The fewest that a suite can be made of; the first 28 episodes are dealt in these numbers."""


class Recording:
    """An open data set with what its replay needs to know.

    Args:
        data: the data set; stays open.
        frame_skip: rows between the images that a model sees.
        episodes: which of its episodes may be used; all by default.

    Attributes:
        sources: quantities with where they stand, those left out not among them.
        left_out: quantities that are not finite everywhere, and why they cannot be asked for.

    Raises:
        UsageError: no such episode, or no rows between images.
        UserError: images that are not square, or actions of which none is finite.
    """

    def __init__(
        self, data: Episodes, frame_skip: int = 5, episodes: Sequence[int] | None = None
    ) -> None:
        if frame_skip < 1:
            raise UsageError(f"A frame-skip of {frame_skip} cannot be; it must be at least 1.")
        self.data = data
        self.frame_skip = frame_skip
        every = np.arange(len(data))
        self.episodes = every if episodes is None else np.unique(np.asarray(episodes, np.int64))
        if not len(self.episodes) or self.episodes[0] < 0 or self.episodes[-1] >= len(data):
            raise UsageError(
                f"The episodes asked of {data.path} are not among its {len(data)}. Choose some "
                f"from 0 to {len(data) - 1}."
            )
        self.side = data.image_size
        self.actions = data.read("action").astype(np.float32, copy=False)
        rows = data.rows_of(self.episodes)
        finite = self.actions[rows]
        finite = finite[np.isfinite(finite).all(axis=1)]
        if not len(finite):
            raise UserError(
                f"No action in {data.path} is finite, so nothing can be replayed. "
                f"`lewm-probe data check {data.path}` says more; fetch or collect it again."
            )
        self.low, self.high = finite.min(axis=0), finite.max(axis=0)
        self.sources: dict[str, Source] = {}
        self.left_out: dict[str, str] = {}
        for name, source in data_quantities(data).items():
            values = source.values(data.read(source.column), frame_skip)
            bad = int((~np.isfinite(values[rows]).all(axis=1)).sum())
            if bad:
                many = "1 row" if bad == 1 else f"{bad} rows"
                self.left_out[name] = f"not finite in {many} of column {source.column}"
            else:
                self.sources[name] = source
        self._state: tuple[int, dict[str, np.ndarray]] | None = None
        self._dealt: dict[tuple[str, int, int], np.ndarray] = {}

    def state(self, episode: int) -> dict[str, np.ndarray]:
        """Each quantity over an episode, float64 (length, axes)."""
        if self._state is None or self._state[0] != episode:
            columns = sorted({source.column for source in self.sources.values()})
            stored = self.data.episode(episode, columns)
            values = {
                name: source.values(stored[source.column], self.frame_skip)
                for name, source in self.sources.items()
            }
            self._state = (episode, values)
        return self._state[1]

    def dealt(self, purpose: str, seed: int, steps: int) -> np.ndarray:
        """The episodes for a purpose that have ``steps`` steps, in the order they are used.

        A step needs the row after it, and finite actions on the way.

        Raises:
            UsageError: no such purpose.
        """
        if purpose not in SHARES:
            raise unknown_name("purpose of trajectories", purpose, SHARES)
        key = (purpose, seed, steps)
        if key not in self._dealt:
            order = stream(seed, "recorded", "deal").permutation(self.episodes)
            mine = order[_purposes(len(order)) == list(SHARES).index(purpose)]
            fit = np.array([self._can(int(episode), steps) for episode in mine], bool)
            self._dealt[key] = mine[fit]
        return self._dealt[key]

    def _can(self, episode: int, steps: int) -> bool:
        start, length = int(self.data.offsets[episode]), int(self.data.lengths[episode])
        return length > steps and bool(np.isfinite(self.actions[start : start + steps]).all())


class RecordedWorld(World):
    """The world that a ``Recording`` is; ``register_recorded`` makes a class of it for each.

    Images of another size than recorded are resized by area (``formats.images.resized``).
    """

    recording: ClassVar[Recording]
    replays: ClassVar[bool] = True
    policies: ClassVar[tuple[str, ...]] = ("expert", "recorded")
    metadata: ClassVar[dict[str, Any]] = {"render_modes": ["rgb_array"], "render_fps": 10}  # type: ignore[misc]

    def __init__(self) -> None:
        self.render_mode = "rgb_array"
        self.action_space = gym.spaces.Box(self.recording.low, self.recording.high)
        width = sum(len(q.axes) for q in self.quantities.values())
        self.observation_space = gym.spaces.Box(-np.inf, np.inf, (width,), np.float64)
        self._start(int(self.recording.episodes[0]))

    @property
    def fingerprint(self) -> str:
        """Of the code and of the recording: data, rows between images, episodes."""
        recording = self.recording
        return content_hash(
            super().fingerprint,
            recording.data.fingerprint,
            recording.frame_skip,
            recording.episodes,
        )

    def _start(self, episode: int) -> None:
        self._episode, self._step = episode, 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Go to the first row of an episode.

        Args:
            seed: of the episode drawn.
            options: ``episode``: this one. Or ``trajectory``: (seed, purpose, number, steps), the
                so-manyth episode for a purpose that has so many steps.

        Raises:
            UsageError: an unknown option, episode or purpose.
            UserError: the purpose has too few episodes that are long enough.
        """
        super().reset(seed=seed)
        options = options or {}
        for key in options:
            if key not in ("episode", "trajectory"):
                raise unknown_name("reset option", str(key), ("episode", "trajectory"))
        known = self.recording.episodes
        if "trajectory" in options:
            self._start(self._dealt(*options["trajectory"]))
        elif "episode" in options:
            if options["episode"] not in known:
                raise UsageError(
                    f"Episode {options['episode']} is not among the {len(known)} of {self.name}. "
                    f"Choose one from {known[0]} to {known[-1]}."
                )
            self._start(int(options["episode"]))
        else:
            self._start(int(self.np_random.choice(known)))
        return self._observation(), {}

    def _dealt(self, seed: int, purpose: str, number: int, steps: int) -> int:
        found = self.recording.dealt(purpose, seed, steps)
        if number >= len(found):
            share = f"{SHARES.get(purpose, 0)} in {sum(SHARES.values())}"
            raise UserError(
                f"{self.name} ({self.recording.data.path}) has {len(found)} episodes for {purpose} "
                f"that are long enough ({steps} steps with finite actions, so {steps + 1} rows), "
                f"and the suite asks for more. A purpose gets {share} of the data set's "
                f"{len(self.recording.episodes)} episodes, so that no two share one. Ask for fewer "
                "trajectories or frames in the suite, or give more episodes."
            )
        return int(found[number])

    def step(
        self, action: np.ndarray
    ) -> tuple[np.ndarray, float, bool, bool, dict[str, np.ndarray]]:
        """Go on to the next row, whatever the action; truncated on the last one.

        Raises:
            UserError: the episode is over.
        """
        last = int(self.recording.data.lengths[self._episode]) - 1
        if self._step >= last:
            raise UserError(
                f"Episode {self._episode} of {self.name} was recorded for {last} steps, and "
                "another was asked for. Reset the world, or ask for fewer frames."
            )
        self._step += 1
        return self._observation(), 0.0, False, self._step == last, {}

    def physical_state(self) -> dict[str, np.ndarray]:
        """Each quantity at this row, float64 (axes,)."""
        state = self.recording.state(self._episode)
        return {name: values[self._step].copy() for name, values in state.items()}

    def _observation(self) -> np.ndarray:
        state = self.physical_state()
        return np.concatenate([np.zeros(0), *state.values()])

    def snapshot(self) -> Snapshot:
        """Which row of which episode."""
        return {"episode": np.array([self._episode]), "step": np.array([self._step])}

    def restore(self, snapshot: Snapshot) -> None:
        """Go back to a row.

        Raises:
            UserError: the snapshot is another world's.
        """
        if snapshot.keys() != {"episode", "step"}:
            raise UserError(
                f"This snapshot holds {', '.join(sorted(snapshot)) or 'nothing'}; one of "
                f"{self.name} holds episode, step. Restore it in the world it came from."
            )
        self._episode, self._step = int(snapshot["episode"][0]), int(snapshot["step"][0])

    def render(self, size: int | None = None, camera: str | None = None) -> np.ndarray:
        """The recorded image, uint8 (size, size, 3)."""
        side = self.picture_size(size, camera)
        data = self.recording.data
        image = data.row("pixels", int(data.offsets[self._episode]) + self._step)
        return resized(image, side).copy()

    def expert(self, rng: np.random.Generator) -> Policy:
        """The recorded actions."""
        return self.policy("recorded", rng)

    def policy(self, name: str, rng: np.random.Generator) -> Policy:
        """``recorded``, which ``expert`` is another name for: the action taken at this row.

        Raises:
            UsageError: no such policy.
        """
        if name not in self.policies:
            raise unknown_name("policy", name, self.policies)

        def act(world: World) -> np.ndarray:
            return self._action()

        return act

    def _action(self) -> np.ndarray:
        data = self.recording.data
        action = self.recording.actions[int(data.offsets[self._episode]) + self._step]
        if not np.isfinite(action).all():
            raise UserError(
                f"The action at step {self._step} of episode {self._episode} of {self.name} is not "
                "finite: nothing was recorded after it. Ask for fewer frames."
            )
        return action.copy()


def register_recorded(
    path: Path | str,
    *,
    name: str | None = None,
    frame_skip: int = 5,
    episodes: Sequence[int] | None = None,
) -> str:
    """Make a data set a world of this process and return its name.

    Args:
        path: the data set, of any kind that ``open_episodes`` reads; it stays open.
        name: by default the world that the data set names, else its file name; with ``-recorded``
            after the file name where that is a simulated world's.
        frame_skip: rows between the images that a model sees.
        episodes: which of its episodes may be used; all by default.

    Raises:
        UsageError: the name belongs to another world, or the episodes are not there.
        UserError: the data set cannot be read or replayed.
    """
    data = open_episodes(path)
    try:
        recording = Recording(data, frame_skip, episodes)
        name = name or _name_of(data)
        known = worlds_of_this_process().get(name)
        if known and issubclass(known, RecordedWorld) and _same(known.recording, recording):
            data.close()
            return name
        register_world(name, recorded_world(name, recording))
    except UserError:
        data.close()
        raise
    return name


def recorded_world(name: str, recording: Recording) -> type[RecordedWorld]:
    """The class of a recording's world."""
    facts = {
        "__doc__": f"{recording.data.path.name}, replayed.",
        "name": name,
        "recording": recording,
        "quantities": {key: source.quantity for key, source in recording.sources.items()},
        "frame_skip": recording.frame_skip,
        "native_size": recording.side,
        "picture_sizes": (1, LARGEST_IMAGE),
    }
    return type("Recorded", (RecordedWorld,), facts)


def _name_of(data: Episodes) -> str:
    simulated = set(world_names()) - set(worlds_of_this_process())
    stem = re.sub(r"[^A-Za-z0-9_.-]+", "-", data.path.stem).strip("-.") or "recorded"
    named = data.world
    # A name becomes part of folder names, so that one from an untrusted file is looked at first.
    if named is None or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", named):
        named = stem
    return f"{stem}-recorded" if named in simulated else named


def _same(one: Recording, other: Recording) -> bool:
    return (
        one.frame_skip == other.frame_skip
        and np.array_equal(one.episodes, other.episodes)
        and one.data.fingerprint == other.data.fingerprint
    )


def _purposes(count: int) -> np.ndarray:
    """Which purpose each of ``count`` episodes is for, as numbers into ``SHARES``."""
    cycle = _interleaved(list(SHARES.values()))
    first = _interleaved(list(LEAST.values()))
    rounds = max(0, count - len(first)) // len(cycle) + 1
    return np.array([*first, *cycle * rounds])[:count]


def _interleaved(counts: Sequence[int]) -> list[int]:
    """Numbers 0 … n−1, each as often as told, spread evenly."""
    places = [((k + 0.5) / count, i) for i, count in enumerate(counts) for k in range(count)]
    return [number for _, number in sorted(places)]
