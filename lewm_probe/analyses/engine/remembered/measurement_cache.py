"""What one checkpoint contributes to an analysis: computed once, remembered by content.

An analysis of several checkpoints is a portion for each, which no other checkpoint has a part in,
and comparisons between them. Portions are kept in the latent cache under a key that covers all they
follow from, so that adding a checkpoint to a finished analysis costs that checkpoint alone. A
checkpoint that fails is named by ``SubjectFailed``; the others' portions are there all the same.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import pandas as pd

from lewm_probe.analyses.engine.asked.checkpoint import Subject
from lewm_probe.analyses.engine.recorder import Ledger
from lewm_probe.analyses.engine.remembered.latent_cache import LatentCache, encode_code
from lewm_probe.core.errors import NotWritten, UsageError, UserError, brief
from lewm_probe.core.files import content_hash, file_hash
from lewm_probe.results.provenance import code_version, packages
from lewm_probe.results.result import Metric
from lewm_probe.worlds import make_world

Keys = tuple[tuple[str, Any], ...]
"""Keys of ``Metric``, as pairs."""

Values = Mapping[Keys, np.ndarray]
"""What comparisons between checkpoints need of a portion: numbers of each trajectory."""

_TOLD = "portion"


class SubjectFailed(UserError):
    """One checkpoint could not be analysed; the others can do without it.

    Attributes:
        subject: the checkpoint.
    """

    def __init__(self, subject: Subject, why: str) -> None:
        super().__init__(why)
        self.subject = subject


@contextmanager
def blaming(subject: Subject) -> Iterator[None]:
    """Say of whatever goes wrong in the block that it went wrong with this checkpoint.

    Raises:
        UsageError, NotWritten: as they were raised: what was asked is wrong, or the cache cannot be
            written, whoever is asked.
        SubjectFailed: for everything else.
    """
    try:
        yield
    except (UsageError, NotWritten, SubjectFailed):
        raise
    except UserError as error:
        raise SubjectFailed(subject, str(error)) from error
    except (Exception, SystemExit) as error:  # a stranger's model may raise anything
        raise SubjectFailed(
            subject,
            f"The analysis of {subject.label} ended in an error ({brief(error)}). If it is a model "
            "of your own, try `check_world_model` on it; --debug shows where it happened.",
        ) from error


class Portions:
    """The portions of one call of an analysis.

    Args:
        ledger: of the whole analysis; portions are copied into it.
        cache: where they are kept.
        device: where they are computed.
        context: whatever else all portions follow from.
    """

    def __init__(self, ledger: Ledger, cache: LatentCache, device: str, *context: object) -> None:
        self._ledger, self._cache = ledger, cache
        self._shared = content_hash(
            ledger.analysis,
            ledger.suite.model_dump_json(),
            make_world(ledger.suite.world).fingerprint,
            device,
            code_version(),
            sorted(packages().items()),
            context,
        )

    def shared(self, *what: object) -> str:
        """A name for what is the same for all checkpoints."""
        return content_hash(self._shared, *what)

    def key(self, subject: Subject) -> str:
        """The name under which a checkpoint's portion is kept."""
        return content_hash(
            self._shared,
            subject.entry.model_dump_json(include={"name", "family", "train_seed", "step"}),
            subject.model.fingerprint,
            encode_code(subject.model),
            [file_hash(path) for path in subject.history],
        )

    def known(self, subject: Subject) -> bool:
        """Whether ``of`` would compute nothing."""
        return self._cache.recall(self.key(subject)) is not None

    def of(self, subject: Subject, compute: Callable[[Ledger], Values]) -> Values:
        """Copy a checkpoint's portion into the ledger, computed by ``compute`` if it is not known.

        Args:
            subject: the checkpoint.
            compute: writes everything about the checkpoint into the ledger it is given; returns
                what comparisons need.

        Raises:
            UsageError: something was asked for that does not exist.
            SubjectFailed: ``compute`` failed otherwise.
        """
        key = self.key(subject)
        arrays = self._cache.recall(key)
        if arrays is None:
            own = Ledger(self._ledger.analysis, self._ledger.suite)
            with blaming(subject):
                values = compute(own)
            arrays = self._cache.keep(key, _packed(own, values))
        metrics, rows, notes, values = _unpacked(arrays)
        self._ledger.take(metrics, rows, notes)
        return values


def _packed(ledger: Ledger, values: Values) -> dict[str, np.ndarray]:
    """Everything as arrays, which the cache stores: metrics as JSON, rows as Parquet."""
    told = {
        "metrics": [metric.model_dump(exclude_none=True) for metric in ledger.metrics],
        "notes": list(ledger.notes),
        "values": [list(key) for key in values],
    }
    arrays = {_TOLD: _bytes(json.dumps(told, allow_nan=False).encode())}
    arrays |= {f"value {i}": array for i, array in enumerate(values.values())}
    rows = ledger.table()
    if rows is not None:
        buffer = io.BytesIO()
        rows.to_parquet(buffer, compression="zstd", index=False)
        arrays["rows"] = _bytes(buffer.getvalue())
    return arrays


def _unpacked(
    arrays: Mapping[str, np.ndarray],
) -> tuple[list[Metric], pd.DataFrame | None, list[str], Values]:
    told = json.loads(arrays[_TOLD].tobytes())
    metrics = [Metric.model_validate({"value": None, **metric}) for metric in told["metrics"]]
    rows = None
    if "rows" in arrays:
        rows = pd.read_parquet(io.BytesIO(arrays["rows"].tobytes()))
    values = {
        tuple((name, value) for name, value in key): arrays[f"value {i}"]
        for i, key in enumerate(told["values"])
    }
    return metrics, rows, told["notes"], values


def _bytes(data: bytes) -> np.ndarray:
    return np.frombuffer(data, np.uint8)
