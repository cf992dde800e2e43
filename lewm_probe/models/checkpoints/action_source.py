"""Where a model's action statistics come from: its checkpoint, a file, a data set, or nowhere.

Released checkpoints do not carry the mean and spread their actions were scaled with, and with wrong
ones a model still gives numbers. So they are never guessed: the user names a file or the data set,
or says ``identity``, and results say which it was.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from lewm_probe.core.addresses.address import place
from lewm_probe.core.config import Config, parse
from lewm_probe.core.errors import UsageError, UserError
from lewm_probe.core.strict_json import read_json
from lewm_probe.data.sampling.action_statistics import ActionStatistics

IDENTITY = "identity"
"""The word for actions that go in as they are: mean 0, SD 1."""

CHECKPOINT = "checkpoint"
"""Source of statistics that the checkpoint carries itself."""

GIVEN = "given"
"""Source of statistics that somebody passed in Python."""

DATA_SET = "data set "
"""What a source of statistics begins with that were taken from a data set; its name follows."""

RELEASED_FRAME_SKIP = 5
"""Environment actions in a block of the released models (paper, data section); configs do not say.
Taken with ``identity``, where no statistics tell how many numbers one action has."""

NEAR = 1e-6
"""Relative difference at which given statistics are still those of the checkpoint: float32."""


@dataclass(frozen=True)
class Statistics:
    """Action statistics and where they come from.

    Attributes:
        values: mean and SD of each dimension of one environment action.
        source: ``checkpoint``, ``file NAME``, ``data set NAME``, ``given`` or ``identity``.
    """

    values: ActionStatistics
    source: str


class StatisticsFile(Config):
    """A JSON file of action statistics, one number for each dimension of an environment action."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


def given_statistics(
    action_stats: ActionStatistics | Path | str | None, dataset: Path | str | None
) -> Statistics | str | None:
    """What the user gave, read: statistics, the word ``identity``, or None.

    Raises:
        UsageError: both a file and a data set.
        UserError: a file that is not there or is no such file, or a data set without actions.
    """
    if action_stats is not None and dataset is not None:
        raise UsageError(
            "Action statistics were given twice, by --action-stats and by --dataset. Give one of "
            "them."
        )
    if isinstance(action_stats, ActionStatistics):
        return Statistics(checked(action_stats, "The action statistics given"), GIVEN)
    if dataset is not None:
        return Statistics(_of_dataset(place(dataset)), f"{DATA_SET}{Path(dataset).name}")
    if action_stats is None:
        return None
    if str(action_stats) == IDENTITY:
        return IDENTITY
    return Statistics(read_statistics(Path(action_stats)), f"file {Path(action_stats).name}")


def read_statistics(path: Path) -> ActionStatistics:
    """Statistics from a JSON file ``{"mean": […], "std": […]}``.

    Raises:
        UserError: not there, other keys, unequal lengths, or spreads that are not above zero.
    """
    where = f"The action statistics {path}"
    try:
        read = parse(read_json(path), StatisticsFile, where)
    except UsageError as error:
        raise UserError(str(error)) from error
    return checked(ActionStatistics(mean=read.mean, std=read.std), where)


def settle(
    path: Path,
    own: ActionStatistics | None,
    given: Statistics | str | None,
    action_width: int,
    *,
    insist: bool = True,
) -> Statistics:
    """The statistics to use: the checkpoint's own, else those given.

    Args:
        path: the checkpoint, for messages.
        own: what it carries, if anything.
        given: what the user gave.
        action_width: width A of its action blocks.
        insist: given ones are meant for this checkpoint, and must be its own where it has some;
            else they are for checkpoints that lack theirs. A data set's need not: a checkpoint was
            trained with those of its training split, and keeps them.

    Raises:
        UserError: there are none, they contradict the checkpoint's own, or do not fit its blocks.
    """
    if own is not None:
        if given is not None and insist:
            _same(path, own, given)
        return _fitting(path, Statistics(own, CHECKPOINT), action_width)
    if given is None:
        raise UserError(
            f"{path} does not carry the action statistics it was trained with, as released "
            "checkpoints do not, and without them its predictions mean nothing. Give them with "
            '--action-stats FILE (JSON: {"mean": [...], "std": [...]}, a number for each dimension '
            "of one environment action), or --dataset FILE (the data it was trained on), or "
            "say --action-stats identity if it takes actions as they are."
        )
    if isinstance(given, str):
        if action_width % RELEASED_FRAME_SKIP:
            raise UserError(
                f"The action blocks of {path} have width {action_width}, which is no multiple of "
                f"the released frame-skip {RELEASED_FRAME_SKIP}, so that `identity` does not tell "
                "how many environment actions they hold. Give a file with the mean 0 and SD 1 of "
                "each dimension instead (--action-stats FILE)."
            )
        width = action_width // RELEASED_FRAME_SKIP
        return Statistics(ActionStatistics((0.0,) * width, (1.0,) * width), IDENTITY)
    return _fitting(path, given, action_width)


def _fitting(path: Path, given: Statistics, action_width: int) -> Statistics:
    width = len(given.values.mean)
    if action_width % width:
        raise UserError(
            f"The action statistics ({given.source}) are of {width} dimensions, but the action "
            f"blocks of {path} have width {action_width}, which is no multiple of {width}. Give "
            "those of the data it was trained on."
        )
    return given


def _same(path: Path, own: ActionStatistics, given: Statistics | str) -> None:
    if isinstance(given, str):
        width = len(own.mean)
        given = Statistics(ActionStatistics((0.0,) * width, (1.0,) * width), IDENTITY)
    if given.source.startswith(DATA_SET) and len(own.mean) == len(given.values.mean):
        return
    pairs = [
        *zip(own.mean, given.values.mean, strict=False),
        *zip(own.std, given.values.std, strict=False),
    ]
    equal = len(own.mean) == len(given.values.mean) and all(
        math.isclose(a, b, rel_tol=NEAR, abs_tol=NEAR) for a, b in pairs
    )
    if not equal:
        raise UserError(
            f"{path} carries its own action statistics (mean {_brief(own.mean)}, SD "
            f"{_brief(own.std)}), and those given ({given.source}: mean "
            f"{_brief(given.values.mean)}, SD {_brief(given.values.std)}) are others. Leave out "
            "--action-stats and --dataset to use its own."
        )


def _of_dataset(path: Path) -> ActionStatistics:
    from lewm_probe.data.formats.registry import open_episodes

    with open_episodes(path) as file:
        return ActionStatistics.fit(file)


def checked(values: ActionStatistics, where: str) -> ActionStatistics:
    """Refuse unequal numbers of means and SDs, what is not finite, and SDs that scale nothing.

    Raises:
        UserError: with what was found.
    """
    if not values.mean or len(values.mean) != len(values.std):
        raise UserError(
            f"{where} have {len(values.mean)} means and {len(values.std)} SDs, but one of each was "
            "expected for each dimension of an environment action. Fix them."
        )
    if not all(map(math.isfinite, (*values.mean, *values.std))) or min(values.std) <= 0:
        raise UserError(
            f"{where} have the mean {_brief(values.mean)} and SD {_brief(values.std)}, but finite "
            "numbers and SDs above zero were expected. A dimension that never changes gets SD 1."
        )
    return values


def _brief(values: tuple[float, ...]) -> str:
    shown = ", ".join(f"{v:.6g}" for v in values[:8])
    return f"[{shown}, …]" if len(values) > 8 else f"[{shown}]"
