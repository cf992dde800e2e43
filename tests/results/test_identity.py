from __future__ import annotations

from typing import Any

import pytest

from lewm_probe.core.errors import UserError
from lewm_probe.results.identity import conflict, latest, run_of
from lewm_probe.results.result import Result, merge
from lewm_probe.results.schema import Metric, ModelEntry


def entry(name: str = "a", **keys: Any) -> ModelEntry:
    known = {"family": "lewm", "train_seed": 0, "step": 10, "world": "two-room"}
    whole: dict[str, Any] = {**known, **keys}
    whole.setdefault("fingerprint", f"{name} {sorted(whole.items())}")
    return ModelEntry(name=name, **whole)


def metric(name: str = "a", family: str = "lewm", **keys: Any) -> Metric:
    known: dict[str, Any] = {"world": "two-room", "analysis": "geometry", "metric": "m"}
    return Metric(model=name, family=family, value=1.0, **{**known, **keys})


@pytest.mark.parametrize(
    ("first", "second", "why"),
    [
        (
            entry(),
            entry(family="pldm"),
            "'a' is of the family lewm and of the family pldm",
        ),
        (
            entry(),
            entry(family="pldm", world="push-t"),
            "'a' is of the family lewm and of the family pldm",
        ),
        (
            entry(fingerprint="x", source="runs/x/model.safetensors"),
            entry(fingerprint="y", source="runs/y/model.safetensors"),
            "a, training seed 0, step 10 is two different sets of weights "
            "(runs/x/model.safetensors and runs/y/model.safetensors)",
        ),
        (
            entry(fingerprint="0123456789abcdef", source="model.safetensors"),
            entry(fingerprint="fedcba9876543210", source="model.safetensors"),
            "a, training seed 0, step 10 is two different sets of weights "
            "(fingerprint 0123456789ab and fingerprint fedcba987654)",
        ),
        (
            entry(fingerprint="x"),
            entry(fingerprint="x", train_seed=1),
            "a, training seed 0, step 10 and a, training seed 1, step 10 are the same weights, "
            "which would count as two training seeds",
        ),
        (
            entry(parameters=1000),
            entry(parameters=2000, train_seed=1),
            "a, training seed 0, step 10 and a, training seed 1, step 10 are of two "
            "architectures: their numbers of parameters (1,000 and 2,000) differ",
        ),
        (
            entry(config={"encoder": {"name": "cnn", "width": 8}}),
            entry(config={"encoder": {"name": "cnn", "width": 16}}, train_seed=1),
            "a, training seed 0, step 10 and a, training seed 1, step 10 are of two "
            "architectures: their configurations ('encoder') differ",
        ),
        (
            entry(config={"data_fingerprint": "d"}),
            entry(config={"data_fingerprint": "e"}, step=20),
            "a, training seed 0, step 10 and a, training seed 0, step 20 are of two runs: they "
            "were trained on other data",
        ),
        (entry("le wm"), entry("le\N{NO-BREAK SPACE}wm"), "the names 'le wm' and 'le\\xa0wm' look "
         "the same"),
    ],
)  # fmt: skip
def test_a_name_that_stands_for_two_things(first: ModelEntry, second: ModelEntry, why: str) -> None:
    assert conflict([first, second]) == why
    with pytest.raises(UserError) as caught:
        merge([Result([], [first], []), Result([], [second], [])])
    assert str(caught.value) == (
        f"These results cannot be told apart when they are put together: {why}. One name stands "
        "for one family, one architecture and, at a training seed and step, one set of weights. "
        "Report them apart, or audit one of them again under another name (name=path)."
    )
    assert caught.value.exit_code == 1


@pytest.mark.parametrize(
    "second",
    [
        entry(train_seed=1),
        entry(step=20),
        entry(step=None),
        entry(fingerprint="given", step=20),
        entry("p$q"),
        entry("A"),
        entry(train_seed=1, config={"data_fingerprint": "e"}),
        # A later version knows a further key of the network.
        entry(train_seed=1, config={"encoder": {"name": "cnn", "new": 1}, "more": 2}),
        entry(world="push-t", parameters=2000, train_seed=1),
    ],
)
def test_what_belongs_together(second: ModelEntry) -> None:
    first = entry(fingerprint="given", parameters=None, config={"encoder": {"name": "cnn"}})
    assert conflict([first, entry("pq"), second]) is None


def test_numbers_whose_checkpoint_is_not_stored_have_a_family_too() -> None:
    why = "'a' is of the family lewm and of the family pldm"
    assert conflict([], [metric(), metric(family="pldm", train_seed=1)]) == why
    assert conflict([entry(family="pldm")], [metric()]) == (
        "'a' is of the family pldm and of the family lewm"
    )
    assert conflict([entry()], [metric()]) is None


def test_the_last_step_stands_for_a_run() -> None:
    entries = [entry(step=20), entry(step=10), entry("b"), entry(train_seed=1, step=10)]
    found = latest((run_of(one), one.step, one) for one in entries)
    assert list(found.values()) == [entries[0], entries[2], entries[3]]
    final = entry(step=None)
    assert latest([(run_of(one), one.step, one) for one in (final, *entries)])["a", 0] is final
    assert run_of(metric(train_seed=3)) == ("a", 3)
