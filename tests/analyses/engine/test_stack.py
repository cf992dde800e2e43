from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lewm_probe.analyses.engine.stack import Stack

TYPES = {"who": "string", "age": "Int32", "size": "float32", "born": "Int64"}


def test_it_is_the_table_that_pandas_makes_of_the_parts() -> None:
    parts = [
        {"who": ["a", None, "c"], "age": [1.0, None, 3.0], "size": [0.1, np.nan, np.inf]},
        {"who": ["d"], "born": [2**40]},
        {"size": [1.5, 2.5]},
    ]
    stack = Stack(TYPES)
    for part in parts:
        count = len(next(iter(part.values())))
        stack.add(count, **part)
    stack.add(2, who="e", age=7, size=0.1)
    stack.add(0, who="f")
    parts.append({"who": ["e"] * 2, "age": [7] * 2, "size": [0.1] * 2})
    expected = pd.concat(
        [pd.DataFrame(part).reindex(columns=list(TYPES)).astype(TYPES) for part in parts],
        ignore_index=True,
    )
    pd.testing.assert_frame_equal(stack.table(), expected)


def test_no_part_is_an_empty_table() -> None:
    table = Stack(TYPES).table()
    assert (len(table), table.dtypes.astype(str).to_dict()) == (0, TYPES)


def test_what_does_not_fit_is_refused() -> None:
    stack = Stack(TYPES)
    with pytest.raises(ValueError, match=r"^unknown columns: \['height', 'weight'\]$"):
        stack.add(1, weight=1, height=2)
    with pytest.raises(ValueError, match=r"^'age' has the shape \(2,\), not \(3,\)$"):
        stack.add(3, age=[1, 2])
