from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np

from lewm_probe.data.check.duplicates import FrameHashes, hash_frames, identical_episodes
from lewm_probe.data.formats.hdf5.episodes import EpisodeFile


def test_counts_agree_with_plain_counting() -> None:
    rng = np.random.default_rng(0)
    episode = np.repeat([0, 1, 2, 5], [30, 3, 40, 20])
    hashes = rng.integers(0, 4, len(episode)).astype(np.uint64)
    found = FrameHashes(np.array([0, 1, 2, 5]), episode, hashes)
    rows = list(zip(episode.tolist(), hashes.tolist(), strict=True))
    assert found.same_as_before() == sum(a == b for a, b in zip(rows, rows[1:], strict=False))
    owners = Counter(h for _, h in set(rows))
    assert found.seen_elsewhere() == sum(owners[h] > 1 for _, h in rows)
    runs = found.runs()
    plain = [
        (rows[i][0], tuple(h for _, h in rows[i : i + 4]))
        for i in range(len(rows) - 3)
        if rows[i][0] == rows[i + 3][0] and len({h for _, h in rows[i : i + 4]}) > 1
    ]
    assert runs.episode.tolist() == [owner for owner, _ in plain]
    assert len(set(runs.hashes.tolist())) == len({run for _, run in plain})
    owners = Counter(run for _, run in set(plain))
    assert runs.seen_elsewhere() == sum(owners[run] > 1 for _, run in plain)
    assert found.of(np.array([1, 5])).tolist() == [h for owner, h in rows if owner in (1, 5)]


def test_equal_images_have_equal_hashes(written: Callable, episode: Callable) -> None:
    one, two = episode(6, 1), episode(9, 2)
    two["pixels"][4] = one["pixels"][2]
    with EpisodeFile(written([one, two])) as file:
        found = hash_frames(file)
        assert found.episode.tolist() == [0] * 6 + [1] * 9
        assert found.hashes[2] == found.hashes[6 + 4]
        assert len(set(found.hashes.tolist())) == 14
        assert found.seen_elsewhere() == 2
        some = hash_frames(file, limit=1)
        assert some.episodes.tolist() == [0] and len(some.hashes) == 6


def test_fewer_images_than_a_run(written: Callable, episode: Callable) -> None:
    with EpisodeFile(written([episode(2)])) as file:
        assert len(hash_frames(file).runs().hashes) == 0


def test_identical_episodes_are_grouped(written: Callable, episode: Callable) -> None:
    episodes = [episode(6, seed) for seed in (1, 2, 1, 3, 2, 1)]
    other_image = episode(6, 3)
    other_image["pixels"] = other_image["pixels"] ^ 1
    with EpisodeFile(written([*episodes, other_image])) as file:
        assert identical_episodes(file) == [(0, 2, 5), (1, 4)]
