"""What one checkpoint contributes to an analysis: computed once, remembered by content.

An analysis of several checkpoints is a measurement of each, which no other checkpoint has a part
in, and comparisons between them. Measurements are kept in the latent cache under a key that covers
all they follow from, so that adding a checkpoint to a finished analysis costs that checkpoint
alone. A checkpoint that fails is named by ``CheckpointFailed``; the others' measurements are there
all the same.
"""

from __future__ import annotations

import inspect
import io
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import numpy as np
import pandas as pd

from lewm_probe.analyses.engine.asked.checkpoint import Checkpoint
from lewm_probe.analyses.engine.recorder import ResultRecorder
from lewm_probe.analyses.engine.remembered.latent_cache import LatentCache, encode_code
from lewm_probe.comparison.difference import Key, Sample, Statistic
from lewm_probe.core.errors import NotWritten, UsageError, UserError, brief
from lewm_probe.core.files import content_hash, file_hash
from lewm_probe.core.processes.stopping import check
from lewm_probe.results.provenance import code_version, packages
from lewm_probe.results.schema import Metric
from lewm_probe.worlds import make_world

Samples = Mapping[Key, Sample]
"""What comparisons between checkpoints need of a measurement: numbers of each trajectory."""

_TOLD, _PICTURE = "portion", "picture "


class CheckpointFailed(UserError):
    """One checkpoint could not be analysed; the others can do without it.

    Attributes:
        checkpoint: the checkpoint.
    """

    def __init__(self, checkpoint: Checkpoint, why: str) -> None:
        super().__init__(why)
        self.checkpoint = checkpoint


@contextmanager
def blaming(checkpoint: Checkpoint) -> Iterator[None]:
    """Say of whatever goes wrong in the block that it went wrong with this checkpoint.

    Raises:
        UsageError, NotWritten: as they were raised: what was asked is wrong, or the cache cannot be
            written, whoever is asked.
        CheckpointFailed: for everything else.
    """
    try:
        yield
    except (UsageError, NotWritten, CheckpointFailed, MemoryError):  # no fault of a checkpoint
        raise
    except UserError as error:
        raise CheckpointFailed(checkpoint, str(error)) from error
    except (Exception, SystemExit) as error:  # an untrusted model may raise anything
        check()  # or it was stopped, and failed of that
        raise CheckpointFailed(
            checkpoint,
            f"The analysis of {checkpoint.label} ended in an error ({brief(error)}). If it is a "
            "model of your own, try `check_world_model` on it; --debug shows where it happened.",
        ) from error


class MeasurementCache:
    """The measurements of one call of an analysis.

    Args:
        recorder: of the whole analysis; measurements are copied into it.
        cache: where they are kept.
        device: where they are computed.
        context: whatever else all measurements follow from.
    """

    def __init__(
        self, recorder: ResultRecorder, cache: LatentCache, device: str, *context: object
    ) -> None:
        self._recorder, self._cache = recorder, cache
        self._shared = content_hash(
            recorder.analysis,
            recorder.suite.model_dump_json(),
            make_world(recorder.suite.world).fingerprint,
            device,
            code_version(),
            sorted(packages().items()),
            context,
        )

    def shared(self, *what: object) -> str:
        """A name for what is the same for all checkpoints."""
        return content_hash(self._shared, *what)

    def key(self, checkpoint: Checkpoint) -> str:
        """The name under which a checkpoint's measurement is kept."""
        return content_hash(
            self._shared,
            checkpoint.entry.model_dump_json(include={"name", "family", "train_seed", "step"}),
            checkpoint.model.fingerprint,
            encode_code(checkpoint.model),
            [file_hash(path) for path in checkpoint.earlier_checkpoints],
        )

    def known(self, checkpoint: Checkpoint) -> bool:
        """Whether ``of`` would compute nothing."""
        return self._cache.recall(self.key(checkpoint)) is not None

    def of(self, checkpoint: Checkpoint, compute: Callable[[ResultRecorder], Samples]) -> Samples:
        """Copy a checkpoint's measurement into the recorder, by ``compute`` if it is not known.

        Args:
            checkpoint: the checkpoint.
            compute: writes everything about the checkpoint into the recorder it is given; returns
                what comparisons need.

        Raises:
            UsageError: something was asked for that does not exist.
            CheckpointFailed: ``compute`` failed otherwise.
        """
        key = self.key(checkpoint)
        arrays = self._cache.recall(key)
        if arrays is None or not _findable(arrays):
            own = ResultRecorder(self._recorder.analysis, self._recorder.suite)
            with blaming(checkpoint):
                samples = compute(own)
            arrays = self._cache.keep(key, _packed(own, samples))
        metrics, rows, notes, samples = _unpacked(arrays)
        self._recorder.take(metrics, rows, notes)
        pictures = {n: a for n, a in arrays.items() if n.startswith(_PICTURE)}
        self._recorder.images |= {n.removeprefix(_PICTURE): a for n, a in pictures.items()}
        return samples


def _packed(recorder: ResultRecorder, samples: Samples) -> dict[str, np.ndarray]:
    """Everything as arrays, which the cache stores: metrics as JSON, rows as Parquet, pictures."""
    reported = {
        "metrics": [metric.model_dump(exclude_none=True) for metric in recorder.metrics],
        "notes": list(recorder.notes),
        "samples": [
            {"key": key, "statistic": _name(sample.statistic), "ids": list(sample.values.index)}
            for key, sample in samples.items()
        ],
    }
    arrays = {_TOLD: _bytes(json.dumps(reported, allow_nan=False).encode())}
    arrays |= {f"sample {i}": one.values.to_numpy() for i, one in enumerate(samples.values())}
    arrays |= {f"{_PICTURE}{name}": strip for name, strip in recorder.images.items()}
    rows = recorder.table()
    if rows is not None:
        buffer = io.BytesIO()
        rows.to_parquet(buffer, compression="zstd", index=False)
        arrays["rows"] = _bytes(buffer.getvalue())
    return arrays


def _unpacked(
    arrays: Mapping[str, np.ndarray],
) -> tuple[list[Metric], pd.DataFrame | None, list[str], Samples]:
    reported = json.loads(arrays[_TOLD].tobytes())
    metrics = [Metric.model_validate({"value": None, **metric}) for metric in reported["metrics"]]
    rows = None
    if "rows" in arrays:
        rows = pd.read_parquet(io.BytesIO(arrays["rows"].tobytes()))
    samples = {
        tuple((name, value) for name, value in one["key"]): Sample(
            pd.DataFrame(arrays[f"sample {i}"], index=one["ids"]), _statistic(one["statistic"])
        )
        for i, one in enumerate(reported["samples"])
    }
    return metrics, rows, reported["notes"], samples


def _name(statistic: str | Statistic) -> str:
    """A function goes by its place: "module:function"."""
    if isinstance(statistic, str):
        return statistic
    name = f"{statistic.__module__}:{statistic.__qualname__}"
    if "<" in name:
        raise UserError(
            f"The statistic {name} of a sample cannot be found again. Put the function at the top "
            "of a module."
        )
    return name


def _statistic(name: str) -> str | Statistic:
    """What a name stands for: a cache may be a stranger's, and never has a module imported.

    Raises:
        LookupError: no function of a module that the analysis has loaded already, or one of
            Python's own, which calculates nothing.
    """
    module, _, function = name.partition(":")
    if not function:
        return name
    found = getattr(sys.modules.get(module), function, None)
    own = module.partition(".")[0] not in sys.stdlib_module_names or module == "__main__"
    if not (own and inspect.isfunction(found) and found.__module__ == module):
        raise LookupError(name)
    return found


def _findable(arrays: Mapping[str, np.ndarray]) -> bool:
    """Whether every statistic that was kept is one that is known here; else all is made anew."""
    try:
        for one in json.loads(arrays[_TOLD].tobytes())["samples"]:
            _statistic(one["statistic"])
    except LookupError:
        return False
    return True


def _bytes(data: bytes) -> np.ndarray:
    return np.frombuffer(data, np.uint8)
